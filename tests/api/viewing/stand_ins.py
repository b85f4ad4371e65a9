"""What stands in for Redis and for sockets where one module is tried alone."""

from __future__ import annotations

import asyncio
from typing import cast

from api.dialects.native.events import NativeDialect
from api.observer import Observer
from api.viewing.replay_pages import ReplayPages
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.generations import Found, Generations
from shared.log.entry import Entry
from shared.log.events import EventId
from shared.log.guarded_log import Log
from shared.record import RECORD_FIELDS, Record, read_record

WRITTEN = {
    "owner": "ann", "model": "p/m", "fingerprint": "f", "on_interrupt": "restart", "ttl": "60000", "created": "1",
    "state": "running", "attempts": "1", "failures": "0", "max_attempts": "3",
}  # fmt: skip


def record(*, owner: str = "ann", seal: EventId | None = None) -> Record:
    """A record as Redis gives it."""
    fields = WRITTEN | {"owner": owner} | ({"seal": str(seal), "ended": "2"} if seal else {})
    values = [fields[name].encode() if name in fields else None for name in RECORD_FIELDS]
    read = read_record("gen_a", values)
    assert read is not None
    return read


def generations_with(found: Found, durability: Durability | None = None) -> Generations:
    """Generations of which one is asked for, and this is found."""

    class Stub:
        def __init__(self) -> None:
            self.durability = durability or Durability(15.0)

        async def find(self, generation_id: str) -> Found:
            return found

    return cast(Generations, Stub())


def log_with(*, holds: bool = True, last: Entry | None = None) -> Log:
    """A log that holds each cursor or none, and ends with an entry."""

    class Stub:
        async def holds(self, generation_id: str, event_id: EventId) -> bool:
            return holds

        async def last(self, generation_id: str) -> Entry | None:
            return last

    return cast(Log, Stub())


class Wire:
    """A connection of which a test says whether it is full."""

    def __init__(self, *, chunked: bool = False) -> None:
        self.full = False
        self.chunked = chunked
        self.written = b""
        self.backlog = 0
        self.ended = self.aborted = self.broken_off = self.was_reset = False

    def write(self, body: bytes, /) -> None:
        self.written += body

    def write_slices(self, frame: memoryview, /) -> None:
        self.written += frame

    def unsent(self) -> int:
        return self.backlog

    def end(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True

    def break_off(self) -> None:
        self.broken_off = True

    def reset(self) -> None:
        self.was_reset = True


class PlainDialect(NativeDialect):
    """The native one, without chance: every viewer is told the same `retry`."""

    def opening(self) -> bytes:
        return b"retry: 1000\n"


class Home:
    """Where viewers are at home."""

    pages: ReplayPages

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.observer = Observer()
        self.catch_up_s = 3.0
        self.left: list[Viewer] = []

    def leave(self, viewer: Viewer, tail: Tail | None) -> None:
        self.left.append(viewer)

    def send_backlog(self, viewer: Viewer, tail: Tail, position: int) -> asyncio.Task[None]:
        raise AssertionError("its tail has all of the log")
