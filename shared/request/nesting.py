"""How deep JSON text nests and how many values it has, found without making one; and a cut of what nests too deep."""

import itertools
import re
from collections.abc import Iterator

STEP_BYTES = 65_536
MAX_CUT_BYTES = 1_000_000
"""Bytes of a text from which something is cut; it is gone through token by token."""
_DEPTH = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS = bytes(set(range(256)) - _DEPTH.keys())
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_LISTS = bytes(set(range(256)) - set(b"[]{},"))
MAX_INNER_MARKS = 64
"""Levels and commas of one entry that are taken away to count the entries of a list."""
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)


def nested_deeper(body: bytes, limit: int) -> bool:
    """Says whether JSON text nests deeper than `limit`.

    It works in pieces, so that in a thread it lets others run. From each piece it removes the innermost pairs of
    brackets until none is left, which takes as many rounds as they nest.
    """
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    depth = 0
    for outside in _outside_strings(body):
        brackets = outside.translate(_AS_SQUARE, _NOT_BRACKETS)
        levels, left = 0, brackets
        while levels <= limit and (inner := left.replace(b"[]", b"")) != left:
            levels, left = levels + 1, inner
        if levels > limit:
            return True
        # Only where they may be too deep together is it looked at, one by one, which are inside of which.
        may_be = depth + levels + left.count(b"[") > limit
        if may_be and max(itertools.accumulate(map(_DEPTH.__getitem__, brackets), initial=depth)) > limit:
            return True
        depth += left.count(b"[") - left.count(b"]")
    return False


def more_values(body: bytes, limit: int) -> bool:
    """Says whether JSON text has more values than `limit`: itself, and each entry of lists and objects at any depth.

    It works in pieces, as `nested_deeper` does.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") < limit:
        return False
    values, last = 1, b""
    for outside in _outside_strings(body):
        text = last + outside.translate(None, b" \t\r\n")
        # A comma is before each entry but the first, which only an empty list or object does not have.
        values += sum(map(text.count, (b",", b"[", b"{"))) - text.count(b"[]") - text.count(b"{}")
        last = text[-1:]
        values -= last in (b",", b"[", b"{")  # the next piece counts it
        if values > limit:
            return True
    return False


def entries(text: bytes) -> int | None:
    """Returns how many entries a list has, by its JSON text; None where one of them has too many of its own to tell.

    It counts the commas that remain after the innermost lists and objects were removed, round by round.
    """
    left = b"".join(outside.translate(_AS_SQUARE, _NOT_LISTS) for outside in _outside_strings(text))[1:-1]
    for _ in range(MAX_INNER_MARKS):
        inner = left.replace(b",]", b"]").replace(b"[]", b"")
        if inner == left:
            break
        left = inner
    return None if b"[" in left else left.count(b",") + 1


def _outside_strings(body: bytes) -> Iterator[bytes]:
    """Yields JSON text piece by piece, with one quote in place of each string."""
    inside = 0
    for chunk in _chunks(body):
        # An escaped quote ends no string. Outside of strings a backslash is no JSON, and the parser will say so.
        pieces = chunk.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
        outside = b'"'.join(pieces[inside::2])
        inside ^= (len(pieces) - 1) & 1
        yield outside + b'"' * inside


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yields text in pieces, none of which ends between a backslash and what it escapes."""
    start = 0
    while chunk := body[start : start + STEP_BYTES]:
        if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:
            chunk += body[start + STEP_BYTES : start + STEP_BYTES + 1]
        yield chunk
        start += len(chunk)


def shallow(text: bytes, limit: int) -> bytes:
    """Returns JSON text with `null` for what nests deeper than `limit`; the text itself where nothing does.

    Raises ValueError where that text is longer than MAX_CUT_BYTES.
    """
    if text.count(b"[") + text.count(b"{") <= limit or not nested_deeper(text, limit):
        return text
    if len(text) > MAX_CUT_BYTES:
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
