"""Dialects that a test views logs in: an entry is no event of theirs, one, or three."""

from __future__ import annotations

from collections.abc import Iterable

from api.dialects.native.events import NativeDialect
from api.viewing.dialect import Dialect, Framer, ResetReason, Subject
from shared.log.entry import RawEntry
from shared.log.events import EventId
from shared.record import DialectName


def raw(token: int, seq: int, type: str = "delta", data: bytes = b"{}") -> RawEntry:
    """An entry as Redis replies it."""
    return b"%d-%d" % (token, seq), (type.encode(), data)


def numbered(*entries: RawEntry) -> list[tuple[EventId, RawEntry]]:
    """The same beside their ids."""
    return [(EventId.parse(entry[0]), entry) for entry in entries]


class UnevenFramer:
    """Events with an odd number have no frame; the others have three, without an id. It begins with one of its own."""

    epoch = 1

    def opening(self) -> tuple[bytes, ...]:
        return (b"data: opening\n\n",)

    def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
        event_id, (type, data) = entry
        if EventId.parse(event_id).seq % 2:
            return ()
        return tuple(b"data: %b %d of %b %b\n\n" % (event_id, number, type, data) for number in (1, 2, 3))


class UnevenDialect(NativeDialect):
    """One whose events are not those of the log, and that cannot say where a stream begins anew."""

    name: DialectName = "openai-chat"
    drain = b""
    ending = b"data: [DONE]\n\n"

    def framer(self, subject: Subject) -> Framer:
        return UnevenFramer()

    def opening(self) -> bytes:
        return b""

    def reset(self, reason: ResetReason) -> bytes:
        return b""


class SilentFramer(UnevenFramer):
    """No event has a frame."""

    def opening(self) -> tuple[bytes, ...]:
        return ()

    def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
        return ()


class SilentDialect(UnevenDialect):
    """One in which nothing can be said."""

    name: DialectName = "anthropic"

    def framer(self, subject: Subject) -> Framer:
        return SilentFramer()


def framed(dialect: Dialect, entries: Iterable[RawEntry]) -> list[bytes]:
    """All events of a log in a dialect."""
    framer = dialect.framer(Subject("gen_x"))
    return [*framer.opening(), *(frame for entry in entries for frame in framer.frames(entry))]


def native(*entries: RawEntry) -> bytes:
    """Entries as the native dialect has them."""
    return b"".join(framed(NativeDialect(), entries))
