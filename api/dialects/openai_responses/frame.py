"""One event on the wire: its type, and its JSON in one line."""

import re
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_LINE_ENDS = re.compile("\u0085|\u2028|\u2029".encode())
"""U+0085, U+2028 and U+2029, at which clients break lines that are none."""


def to_json(value: Any) -> bytes:
    """Returns compact JSON in one line, for whoever splits it."""
    data = _encode(value)
    # What is not ASCII stands in strings only, and no part of a character is one.
    return _LINE_ENDS.sub(_escape, data) if _LINE_ENDS.search(data) else data


def _escape(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def frame(type: str, number: int, fields: dict[str, Any]) -> bytes:
    """Returns an event with all of its bytes; neither `id:` nor `retry:`, on which OpenAI's SDKs fail."""
    data = to_json({"type": type, **fields, "sequence_number": number})
    return b"event: %b\ndata: %b\n\n" % (type.encode(), data)


def delta_ends(type: str, place: dict[str, Any], rest: bytes = b"") -> tuple[bytes, bytes]:
    """Returns what stands before a delta's JSON in its frame, and behind it, with %d for the number of the event."""
    before = to_json({"type": type, **place})[:-1]
    return b"event: %b\ndata: %b," % (type.encode(), before) + b'"delta":', rest + b',"sequence_number":'
