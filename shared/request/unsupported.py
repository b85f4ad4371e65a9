"""What a protocol, or a model of it, has no way to say."""

from typing import NamedTuple


class Unsupported(NamedTuple):
    """Something that a protocol has no way to say."""

    pointer: str
    """Where in the request (JSON Pointer, RFC 6901)."""
    remedy: str
