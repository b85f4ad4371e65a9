"""How deep JSON text nests, found without building a value; and the text without what lies too deep."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

CHUNK = 65_536
LONGEST = 1_000_000
"""Bytes of a text from which something is cut; it is gone through token by token."""
_DEPTH = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS = bytes(set(range(256)) - _DEPTH.keys())
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)


def nested_deeper(body: bytes, limit: int) -> bool:
    """Whether JSON text nests deeper than `limit`.

    In pieces, so that in a thread it lets others run.
    """
    inside, depth = 0, 0
    for chunk in _chunks(body):
        # An escaped quote ends no string. Outside of strings a backslash is no JSON, and the parser will say so.
        pieces = chunk.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
        brackets = b"".join(pieces[inside::2]).translate(None, _NOT_BRACKETS)
        inside ^= (len(pieces) - 1) & 1
        for reached in itertools.accumulate(map(_DEPTH.__getitem__, brackets), initial=depth):
            if reached > limit:
                return True
            depth = reached
    return False


def _chunks(body: bytes) -> Iterator[bytes]:
    """Text in pieces, none of which ends between a backslash and what it escapes."""
    start = 0
    while chunk := body[start : start + CHUNK]:
        if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:
            chunk += body[start + CHUNK : start + CHUNK + 1]
        yield chunk
        start += len(chunk)


def shallow(text: bytes, limit: int) -> bytes:
    """JSON text with `null` for what nests deeper than `limit`; the text itself where nothing does.

    Raises ValueError where that text is longer than LONGEST.
    """
    if text.count(b"[") + text.count(b"{") <= limit or not nested_deeper(text, limit):
        return text
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} bytes of JSON that nest deeper than {limit} levels")
    kept: list[bytes] = []
    depth = begun = 0
    for token in _TOKEN.finditer(text):
        deeper = _DEPTH.get(token[0][0], 0)
        depth += deeper
        if deeper > 0 and depth == limit + 1:
            kept += (text[begun : token.start()], b"null")
            begun = len(text)
        elif deeper < 0 and depth == limit:
            begun = token.end()
    kept.append(text[begun:])
    return b"".join(kept)
