"""One generation on this worker, from its claim to its seal."""
