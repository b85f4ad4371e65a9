"""Server-sent events as bytes (WHATWG HTML, section 9.2). `event:` and `id:` are ours, never from input."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import msgspec

from shared.log.entry import Entry

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # A proxy that compresses would hold the stream to its end (RFC 9111, 5.2.2.6).
    (b"cache-control", b"no-store, no-transform"),
    # nginx and what follows its convention would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]
MAX_WRITE_BYTES = 65_536
"""Bytes after which no further frame is joined to a write."""
HEARTBEAT_COMMENT = b": \n"
"""A comment, without a blank line: that would end a block, which some clients give as an empty event."""
EVENT_FRAME = b"event: %b\ndata: %b\nid: %b\n\n"
"""Of an event's type, its data, which stands as it does in the log, and its id.

The id comes last: some clients take it at its line, and would else pass over an event that a cut left half.
"""
DRAIN_FRAME = b"event: drain\ndata: {}\n\n"

ResetReason = Literal["malformed_cursor", "unknown_cursor", "trimmed"]

_MESSAGES: dict[ResetReason, str] = {
    "malformed_cursor": "The cursor is not an event id; the log follows from its start.",
    "unknown_cursor": "This log has no event with the cursor's id; it follows from its start.",
    "trimmed": "The start of this log was removed; what is left of it follows.",
}


def frame(entry: Entry) -> bytes:
    """A log entry on the wire."""
    return EVENT_FRAME % (entry.type.encode(), entry.data, b"%d-%d" % entry.id)


def join(frames: Sequence[bytes], *, chunked: bool) -> list[bytes]:
    """Frames as pieces of about MAX_WRITE_BYTES bytes, each for one write."""
    pieces, begin, size = [], 0, 0
    for index, one in enumerate(frames, 1):
        size += len(one)
        if size >= MAX_WRITE_BYTES or index == len(frames):
            piece = b"".join(frames[begin:index])
            pieces.append(chunk(piece) if chunked else piece)
            begin, size = index, 0
    return pieces


def chunk(body: bytes) -> bytes:
    """One chunk of the transfer coding `chunked` (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def retry() -> bytes:
    """Milliseconds the client waits before it reconnects: spread, as all viewers lose a node at once.

    A line of the block that follows: a block without data is an empty event to some clients.
    """
    return b"retry: %d\n" % random.randint(1000, 3000)


def queued(generation_id: str, position: int | None) -> bytes:
    """Place in line, 1 for the next; null once a worker has it. No id: the cursor does not move."""
    return b"event: queued\ndata: %b\n\n" % msgspec.json.encode({"id": generation_id, "position": position})


def reset(reason: ResetReason) -> bytes:
    """What follows starts from the beginning of the log. No id: the cursor does not move."""
    data = msgspec.json.encode({"reason": reason, "message": _MESSAGES[reason]})
    return b"event: reset\ndata: %b\n\n" % data
