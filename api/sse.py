"""Server-sent events as bytes (WHATWG HTML, section 9.2). `event:` and `id:` are ours, never from input."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

from shared.log import Entry

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx and what follows its convention would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]
HEARTBEAT = b": \n\n"
DRAIN = b"event: drain\ndata: {}\n\n"

ResetReason = Literal["malformed_cursor", "unknown_cursor"]

_MESSAGES: dict[ResetReason, str] = {
    "malformed_cursor": "The cursor is not an event id; the log follows from its start.",
    "unknown_cursor": "This log has no event with the cursor's id; it follows from its start.",
}


def frame(entry: Entry) -> bytes:
    """A log entry on the wire, its data as it stands in the log."""
    return b"id: %d-%d\nevent: %b\ndata: %b\n\n" % (*entry.id, entry.type.encode(), entry.data)


def retry() -> bytes:
    """Milliseconds the client waits before it reconnects: spread, as all viewers lose a node at once."""
    return b"retry: %d\n\n" % random.randint(1000, 3000)


def queued(generation_id: str, position: int | None) -> bytes:
    """Place in line, 1 for the next; null once a worker has it. No id: the cursor does not move."""
    return b"event: queued\ndata: %b\n\n" % msgspec.json.encode({"id": generation_id, "position": position})


def reset(reason: ResetReason) -> bytes:
    """What follows starts from the beginning of the log. No id: the cursor does not move."""
    data = msgspec.json.encode({"reason": reason, "message": _MESSAGES[reason]})
    return b"event: reset\ndata: %b\n\n" % data
