"""Dialects that a test views logs in: one event is no frame, one, or three."""

from __future__ import annotations

from api.dialects.native.events import NativeDialect
from shared.log.entry import RawEntry
from shared.log.events import EventId


def raw(token: int, seq: int, type: str = "delta", data: bytes = b"{}") -> RawEntry:
    """An entry as Redis replies it."""
    return b"%d-%d" % (token, seq), (type.encode(), data)


def numbered(*entries: RawEntry) -> list[tuple[EventId, RawEntry]]:
    """The same beside their ids."""
    return [(EventId.parse(entry[0]), entry) for entry in entries]


class UnevenDialect(NativeDialect):
    """Events with an odd number have no frame; the others have three, without an id."""

    def frame(self, entry: RawEntry) -> bytes:
        event_id, (type, data) = entry
        if EventId.parse(event_id).seq % 2:
            return b""
        return b"".join(b"data: %b %d of %b %b\n\n" % (event_id, number, type, data) for number in (1, 2, 3))


class SilentDialect(NativeDialect):
    """No event has a frame."""

    def frame(self, entry: RawEntry) -> bytes:
        return b""
