"""What a caller may ask, and which protocol can do it."""
