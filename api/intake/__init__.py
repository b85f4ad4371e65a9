"""From the bytes of a POST to a valid request."""
