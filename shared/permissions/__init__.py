"""Whether the user of a Redis may do all that we ask of it."""
