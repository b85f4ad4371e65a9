"""A tail in any dialect: viewers get what its framer makes of the log, whatever number of frames an event has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from api.dialects.native.events import NativeDialect
from api.observer import Observer
from api.viewing import sse_frames
from api.viewing.dialect import Dialect, Framer, Subject
from api.viewing.known_log import KnownLog
from api.viewing.replay_pages import ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.sse_frames import chunk
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.config.settings import Settings
from shared.log.entry import RawEntry
from shared.log.events import EventId
from tests.api.viewing.framers import SilentDialect, UnevenDialect, UnevenFramer, framed, native, numbered, raw


class Wire:
    """A connection that has room until it is made full, and keeps what it is given."""

    def __init__(self, *, chunked: bool) -> None:
        self.chunked, self.full = chunked, False
        self.writes: list[bytes] = []
        self.shared: list[object] = []
        """What was written in slices."""
        self.ended = self.broken_off = self.was_reset = False

    def write(self, body: bytes, /) -> None:
        assert body, "nothing is no write"
        assert not self.ended
        self.writes.append(body)

    def write_slices(self, frame: memoryview, /) -> None:
        self.shared.append(frame.obj)
        for piece in sse_frames.slices(frame):
            self.write(chunk(piece) if self.chunked else piece)

    def unsent(self) -> int:
        return 0

    def end(self) -> None:
        self.ended = True

    def abort(self) -> None: ...

    def break_off(self) -> None:
        self.broken_off = True

    def reset(self) -> None:
        self.was_reset = True

    @property
    def body(self) -> bytes:
        """What was written, without the framing of chunks."""
        if not self.chunked:
            return b"".join(self.writes)
        body, rest = b"", b"".join(self.writes)
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            assert int(size, 16) > 0, "the last chunk, before the end"
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body


class House:
    """Where viewers are at home."""

    pages: ReplayPages

    def __init__(self) -> None:
        self.settings, self.observer, self.catch_up_s = Settings(), Observer(), 3.0

    def leave(self, viewer: Viewer, tail: Tail | None) -> None: ...

    def send_backlog(self, viewer: Viewer, tail: Tail, position: int) -> asyncio.Task[None]:
        raise AssertionError("it has all of its log")


def tail_of(known: KnownLog, dialect: Dialect) -> Tail:
    tail = Tail(Subject("gen_x"), known, dialect)
    tail.listen()
    return tail


def watch(tail: Tail, start: ResumePoint | None = None, *, chunked: bool = True) -> Wire:
    """A viewer that follows from there; what it is sent first is left out."""
    dialect = tail.dialect
    wire = Wire(chunked=chunked)
    viewer = Viewer(wire, House(), dialect)
    viewer.advance()
    wire.writes.clear()
    viewer.follow(tail, start or ResumePoint())
    return wire


async def rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


LOG = [raw(10, 0, "attempt"), *(raw(10, seq, "delta", b"%d" % seq) for seq in range(1, 9)), raw(10, 9, "completed")]


@pytest.mark.parametrize("longest", [sse_frames.MAX_SLICE_BYTES, 100, 20])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("dialect", [NativeDialect(), UnevenDialect(), SilentDialect()])
async def test_each_viewer_gets_what_its_dialect_makes_of_the_log(
    dialect: Dialect, chunked: bool, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every event on, live and joined late, event by event, in single writes or in slices."""
    monkeypatch.setattr(sse_frames, "MAX_SLICE_BYTES", longest)
    known = KnownLog()
    tail = tail_of(known, dialect)
    known.loaded = True
    made = framed(dialect, LOG)
    viewers = []
    for count, entry in enumerate([*LOG, None]):
        for seen in {0, count, len(framed(dialect, LOG[:count]))}:
            viewers.append((seen, watch(tail, ResumePoint(number=seen), chunked=chunked)))
        if entry is None:
            continue
        if entry[1][0] == b"delta":
            assert known.take_delta(b"10-%d 10-%d\ndelta\n%b" % (count - 1, count, entry[1][1]))
        else:
            known.extend(numbered(entry))
            known.tell()
        await rounds()
    for seen, wire in viewers:
        if seen > len(made):  # of what has ended without that event, it has no whole answer
            assert (wire.body, wire.broken_off, wire.ended) == (b"", True, False)
        else:
            assert wire.body == b"".join(made[seen:]) + dialect.ending
            assert wire.ended


async def test_viewers_share_the_bytes_of_a_long_event() -> None:
    """However far each of them is."""
    known = KnownLog()
    tail = tail_of(known, NativeDialect())
    known.loaded = True
    known.extend(numbered(*LOG[:4]))
    live = [watch(tail, chunked=chunked) for chunked in (True, False)]
    long = raw(10, 4, "delta", b"x" * 1_000_000)
    known.extend(numbered(long, raw(10, 5), raw(10, 6, "completed")))
    known.tell()
    await rounds()
    late = [watch(tail, ResumePoint(EventId(10, 3))) for _ in range(4)]
    assert {id(frame) for wire in (*live, *late) for frame in wire.shared} == {id(live[0].shared[0])}
    assert [len(wire.shared) for wire in (*live, *late)] == [1] * 6
    assert max(len(piece) for wire in (*live, *late) for piece in wire.writes) < sse_frames.MAX_SLICE_BYTES + 100
    for wire in (*live, *late):
        assert native(long) in wire.body


async def test_several_dialects_of_one_log() -> None:
    """The log is known once, and each tail frames it for its own viewers."""
    known = KnownLog()
    dialects: list[Dialect] = [NativeDialect(), UnevenDialect(), SilentDialect()]
    tails = [tail_of(known, dialect) for dialect in dialects]
    known.loaded = True
    wires = [watch(tail) for tail in tails]
    known.extend(numbered(*LOG[:6]))
    known.tell()
    await rounds()
    # The log goes another way after its third event: each starts over, in the words of its dialect.
    others = [*LOG[:3], raw(20, 0, "attempt"), raw(20, 1, "completed")]
    known.replace(others)
    known.tell()
    await rounds()
    assert wires[0].body == native(*LOG[:6]) + dialects[0].reset("unknown_cursor") + native(*others)
    assert wires[0].ended
    # One that has no word for it breaks off what has had some of the other log.
    assert wires[1].body == b"".join(framed(dialects[1], LOG[:6]))
    assert wires[1].broken_off
    assert not wires[1].ended
    assert wires[2].body == dialects[2].ending
    assert watch(tails[1]).body == b"".join(framed(dialects[1], others)) + dialects[1].ending


class Growing:
    """A log that is read two entries at a time; before each read something happens to it."""

    def __init__(self, *happenings: Callable[[], list[RawEntry]]) -> None:
        self._happenings = iter(happenings)
        self._entries: list[RawEntry] = []

    async def page(self, generation_id: str) -> int:
        return 2

    async def read_raw(self, generation_id: str, after: EventId, *, count: int) -> list[RawEntry]:
        await asyncio.sleep(0)
        happening = next(self._happenings, None)
        if happening is not None:
            self._entries = happening()
        return [entry for entry in self._entries if EventId.parse(entry[0]) > after][:count]


async def test_what_the_base_has_not_had_comes_to_a_late_tail_once() -> None:
    known = KnownLog()
    base = tail_of(known, NativeDialect())
    known.loaded = True
    known.extend(numbered(*LOG[:5]))
    tail = Tail(Subject("gen_x"), known, NativeDialect())
    wire = watch(tail)
    log: Any = Growing(lambda: LOG[:6])
    await tail.feed(base, log)
    known.extend(numbered(*LOG[5:]))
    known.tell()
    await rounds()
    assert wire.body == native(*LOG)


async def test_a_tail_that_is_wanted_late_has_what_the_base_has_had() -> None:
    """Of a log that grows meanwhile, is lost for a while, and becomes another."""
    known = KnownLog()
    base = tail_of(known, NativeDialect())
    known.loaded = True
    known.extend(numbered(*LOG[:6]))
    tail = Tail(Subject("gen_x"), known, UnevenDialect())
    wire = watch(tail)
    assert wire.body == b""
    other = [*LOG[:2], raw(10, 2, "delta", b"other")]

    def away() -> list[RawEntry]:
        raise ConnectionError

    def grown() -> list[RawEntry]:
        known.extend(numbered(*LOG[6:8]))
        return LOG[:9]

    def replaced() -> list[RawEntry]:
        known.replace(other)
        return other

    log: Any = Growing(away, lambda: LOG[:6], grown, list, replaced)
    await tail.feed(base, log)
    known.extend(numbered(raw(10, 3), raw(10, 4, "completed")))
    known.tell()
    await rounds()
    whole = [*other, raw(10, 3), raw(10, 4, "completed")]
    assert wire.body == b"".join(framed(UnevenDialect(), whole)) + UnevenDialect.ending
    assert wire.ended


class AnewFramer(UnevenFramer):
    """One in which what was said is void with each further attempt."""

    def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
        if entry[1][0] == b"attempt" and EventId.parse(entry[0]).token > 10:
            self.epoch += 1
            return (b"data: opening %d\n\n" % self.epoch,)
        return super().frames(entry)


class AnewDialect(UnevenDialect):
    def framer(self, subject: Subject) -> Framer:
        return AnewFramer()


async def test_a_new_epoch_breaks_off_who_has_had_some_of_the_old() -> None:
    known = KnownLog()
    tail = tail_of(known, AnewDialect())
    known.loaded = True
    old, early = watch(tail), watch(tail, ResumePoint(number=99))
    known.extend(numbered(*LOG[:5]))
    known.tell()
    await rounds()
    known.extend(numbered(raw(20, 0, "attempt"), raw(20, 1), raw(20, 2)))
    known.tell()
    await rounds()
    assert old.broken_off
    assert early.broken_off
    assert not old.ended
    new, resumed = watch(tail), watch(tail, ResumePoint(number=1, epoch=2))
    stale = watch(tail, ResumePoint(number=1))
    assert new.body.startswith(b"data: opening 2\n\n")
    assert resumed.body == new.body.removeprefix(b"data: opening 2\n\n") != b""
    assert stale.broken_off


async def test_a_dialect_that_fails_cuts_its_own_viewers_only() -> None:
    class Failing(UnevenFramer):
        def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
            raise ZeroDivisionError

    class FailingDialect(UnevenDialect):
        def framer(self, subject: Subject) -> Framer:
            return Failing()

    known = KnownLog()
    tails = [tail_of(known, dialect) for dialect in (FailingDialect(), NativeDialect())]
    known.loaded = True
    failing, other = map(watch, tails)
    known.extend(numbered(*LOG))
    known.tell()
    await rounds()
    assert failing.broken_off
    assert other.body == native(*LOG)


async def test_a_dialect_that_fails_midway_sends_nothing_behind_the_hole() -> None:
    class Failing(UnevenFramer):
        def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
            if entry == LOG[2]:
                raise ZeroDivisionError
            return (b"data: %b\n\n" % entry[0],)

    class FailingDialect(UnevenDialect):
        def framer(self, subject: Subject) -> Framer:
            return Failing()

    known = KnownLog()
    tail = tail_of(known, FailingDialect())
    known.loaded = True
    failing = watch(tail)
    for entry in LOG[:4]:
        known.extend(numbered(entry))
        known.tell()
        await rounds()
    assert failing.body == b"".join(b"data: %b\n\n" % said for said in (b"opening", LOG[0][0], LOG[1][0]))
    assert failing.broken_off, "and it does not wait for the end of what it cannot be sent"


async def test_a_viewer_without_room_gets_all_at_once_when_it_has_some() -> None:
    dialect = UnevenDialect()
    known = KnownLog()
    tail = tail_of(known, dialect)
    known.loaded = True
    wire = Wire(chunked=True)
    viewer = Viewer(wire, House(), dialect)
    viewer.follow(tail, ResumePoint())
    wire.writes.clear()
    known.extend(numbered(LOG[0]))
    known.tell()
    await rounds()
    wire.full = True
    for seq in range(1, 9):
        known.take_delta(b"10-%d 10-%d\ndelta\n%d" % (seq - 1, seq, seq))
        await rounds()
    wire.full = False
    viewer.advance()
    assert wire.writes[1:] == [chunk(b"".join(framed(dialect, LOG[:9])[len(framed(dialect, LOG[:1])) :]))]


async def test_the_place_in_line_is_told_until_there_is_an_event() -> None:
    dialect = NativeDialect()
    known = KnownLog()
    tail = tail_of(known, dialect)
    wire = watch(tail)
    known.loaded = True
    for position in (2, 2, 1):
        known.wait(position)
        await rounds()
    known.extend(numbered(LOG[0]))
    known.tell()
    await rounds()
    known.end()
    await rounds()
    assert wire.body == dialect.queued("gen_x", 2) + dialect.queued("gen_x", 1) + native(LOG[0])
    assert wire.ended
