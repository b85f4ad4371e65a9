"""Errors as RFC 9457 has them, in words that a caller can act on."""
