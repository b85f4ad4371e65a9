"""Viewers that are behind the window of their tail: they get every event once, from the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from api.dialects.native.events import NativeDialect
from api.viewing import backlog, frames
from api.viewing.dialect import Dialect, Framer, Subject
from api.viewing.known_log import KnownLog
from api.viewing.replay_pages import ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.log.entry import RawEntry, read_id
from shared.log.events import ORIGIN, EventId
from tests.api.harness import Api, Producer, until, whole
from tests.api.viewing.framers import UnevenDialect, UnevenFramer, framed, numbered, raw
from tests.api.viewing.test_tail import House, Wire, tail_of


@pytest.fixture(autouse=True)
def _small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "BLOCK_BYTES", 200)
    monkeypatch.setattr(frames, "WINDOW_BYTES", 1_000)
    monkeypatch.setattr(frames, "WINDOW_PARTS", 1_000_000)


class OlderRedis(House):
    """A log as a Redis has it that came back older, where another attempt has begun; and a viewer's home."""

    entries = (*(raw(10, seq) for seq in range(101)), raw(20, 0, "attempt"), raw(20, 1), raw(20, 2, "completed"))

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self.asked = 0
        log: Any = self
        self.pages = ReplayPages(log, dialect)
        self.pages.kept_s = 0.0

    async def page(self, generation_id: str) -> int:
        return 50

    async def read_raw(self, generation_id: str, after: EventId, *, count: int) -> list[RawEntry]:
        self.asked += 1
        return [entry for entry in self.entries if read_id(entry[0]) > after][:count]

    def send_backlog(self, viewer: Viewer, tail: Tail, position: int) -> asyncio.Task[None]:
        log: Any = self
        return asyncio.create_task(backlog.send_backlog(log, viewer, tail, position))


@pytest.mark.parametrize(
    ("dialect", "start"),
    [(NativeDialect(), ResumePoint(EventId(10, 200))), (UnevenDialect(), ResumePoint(number=200))],
)
async def test_nobody_goes_on_after_an_event_that_was_lost(dialect: Dialect, start: ResumePoint) -> None:
    """The log's follower has yet to find out that the rest was lost, and that another attempt says something else."""
    known, house = KnownLog(), OlderRedis(dialect)
    tail = tail_of(known, dialect)
    known.extend(numbered(*(raw(10, seq) for seq in range(401))))
    known.loaded = True
    wire = Wire(chunked=True)
    viewer = Viewer(wire, house, dialect)
    viewer.advance()
    wire.writes.clear()
    viewer.follow(tail, start)
    await until(lambda: house.asked > 4, "the log to be read again")
    assert not wire.writes
    known.replace(house.entries)
    known.tell()
    await until(lambda: wire.ended or wire.broken_off, "the end")
    if dialect.drain:
        assert wire.body.startswith(b"event: reset\n")
        assert wire.body.endswith(b"".join(framed(dialect, house.entries)))
    else:
        assert not wire.writes
        assert wire.broken_off


class VoidingFramer(UnevenFramer):
    """What an attempt said is void with the next one."""

    epoch = 0

    def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
        if entry[1][0] == b"attempt":
            self.epoch += 1
            return (b"data: opening %d\n\n" % self.epoch,)
        return super().frames(entry)


class VoidingDialect(UnevenDialect):
    """One that has no word for starting over."""

    def framer(self, subject: Subject) -> Framer:
        return VoidingFramer()


class Watching:
    """A viewer of a real hub, on a wire that can be full."""

    def __init__(self, api: Api, running: Producer, dialect: Dialect | None = None) -> None:
        self.wire = Wire(chunked=True)
        self._hub, self._id = api.hub, running.generation_id
        self.dialect = dialect
        self.viewer = Viewer(self.wire, api.hub, dialect or api.hub.dialect)
        api.hub.join(self.viewer)
        self.viewer.advance()
        self.wire.writes.clear()

    def follow(self, start: ResumePoint) -> Tail:
        """Begins there."""
        subject = None if self.dialect is None else Subject(self._id)
        tail = self._hub.acquire(self._id, self.dialect, subject)
        self.viewer.follow(tail, start)
        return tail

    def unblock(self) -> None:
        """The connection has room again."""
        self.wire.full = False
        self.viewer.advance()


async def log_of(api: Api, running: Producer) -> list[RawEntry]:
    return await api.log.read_raw(running.generation_id, ORIGIN, count=100_000)


def words(first: int, last: int) -> list[str]:
    return [f"word{number}" for number in range(first, last)]


@pytest.mark.parametrize("at", [0, 1, 2, 100, 599, 600])
async def test_who_comes_back_from_far_behind_has_each_event_once(api: Api, running: Producer, at: int) -> None:
    first = Watching(api, running)
    tail = first.follow(ResumePoint())
    await running.say(*words(0, 600))  # more than a page
    await until(lambda: tail.frames.count == 602, "the events")
    assert tail.frames.size < 2_000
    assert tail.frames.first > 550
    cursor = str(EventId(running.claim.token, at - 1)) if at else None
    async with api.view(running.generation_id, cursor) as viewing:
        got = await viewing.take(602 - at)
        await running.say(*words(600, 650))
        await running.complete()
        got += await viewing.rest()
    expected = await whole(api.log, running.generation_id)
    assert got == expected[at:]
    await until(lambda: first.wire.ended, "the end")
    assert first.wire.body == b"".join(framed(api.hub.dialect, await log_of(api, running)))


@pytest.mark.parametrize("dialect", [None, UnevenDialect()])
async def test_who_reads_slowly_falls_behind_and_has_each_event_once(
    api: Api, running: Producer, dialect: UnevenDialect | None
) -> None:
    slow, quick = Watching(api, running, dialect), Watching(api, running, dialect)
    start = ResumePoint() if dialect is None else ResumePoint(number=0)
    tail = slow.follow(start)
    quick.follow(start)
    for round in range(4):
        slow.wire.full = True
        await running.say(*words(100 * round, 100 * round + 100))
        await until(lambda: tail.known.last == running.last, "the events")
        slow.unblock()
        if round % 2:
            await until(lambda: slow.viewer.position is not None and slow.wire.body == quick.wire.body, "the rest")
    await running.complete()
    await until(lambda: slow.wire.ended and quick.wire.ended, "the end")
    told = dialect or api.hub.dialect
    expected = b"".join(framed(told, await log_of(api, running))) + told.ending
    assert slow.wire.body == expected
    assert quick.wire.body == expected
    assert not api.hub.tails


async def test_a_dialect_that_is_wanted_when_the_beginning_is_not_in_memory(api: Api, running: Producer) -> None:
    tail = Watching(api, running).follow(ResumePoint())
    await running.say(*words(0, 300))
    await until(lambda: tail.frames.first > 0, "the window")
    late = Watching(api, running, UnevenDialect())
    late.follow(ResumePoint(number=40))
    await running.say("more")
    await running.complete()
    await until(lambda: late.wire.ended, "the end")
    expected = framed(UnevenDialect(), await log_of(api, running))
    assert late.wire.body == b"".join(expected[40:]) + UnevenDialect.ending


async def test_another_attempt_voids_what_a_dialect_has_sent(api: Api, running: Producer) -> None:
    """It has no word for starting over, so that its client must see that this was not the end."""
    slow = Watching(api, running, VoidingDialect())
    tail = slow.follow(ResumePoint(number=0))
    await running.say("a")
    await until(lambda: slow.wire.writes, "the beginning")
    slow.wire.full = True
    await running.say(*words(0, 300))
    await until(lambda: tail.frames.first > 0, "the window")
    # It has room for one write, and is full again.
    slow.viewer.advance()
    again = await Producer.start(api.log, running.generation_id)
    await again.complete()
    await until(lambda: tail.epoch == 2, "the next attempt")
    slow.unblock()
    await until(lambda: slow.wire.broken_off, "to be broken off")
    assert not slow.wire.ended


async def test_another_log_is_told_from_its_start(api: Api, running: Producer) -> None:
    slow = Watching(api, running)
    tail = slow.follow(ResumePoint())
    await running.say("a")
    await until(lambda: slow.wire.writes, "the beginning")
    slow.wire.full = True
    await running.say(*words(0, 300))
    await until(lambda: tail.frames.first > 0, "the window")
    slow.viewer.advance()
    again = await Producer.start(api.log, running.generation_id)
    await again.complete()
    slow.unblock()
    await until(lambda: slow.wire.ended, "the end")
    assert slow.wire.body == b"".join(framed(api.hub.dialect, await log_of(api, running)))


@pytest.mark.parametrize("dialect", [None, UnevenDialect()])
@pytest.mark.parametrize("end", ["drain", "cut", "leave"])
async def test_it_ends_at_any_time(api: Api, running: Producer, dialect: UnevenDialect | None, end: str) -> None:
    slow = Watching(api, running, dialect)
    start = ResumePoint() if dialect is None else ResumePoint(number=0)
    slow.wire.full = True
    tail = slow.follow(start)
    await running.say(*words(0, 300))
    await until(lambda: tail.frames.first > 0, "the window")
    slow.unblock()
    slow.wire.full = True
    await asyncio.sleep(0)
    getattr(slow.viewer, end)()
    slow.unblock()
    await until(lambda: slow.viewer.over, "the end")
    assert slow.wire.ended == (end == "drain" and dialect is None)
    await until(lambda: not api.hub.tails and not api.hub._tasks, "nothing to be left")


async def test_redis_is_away_meanwhile(api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Watching(api, running)
    slow.wire.full = True
    tail = slow.follow(ResumePoint())
    await running.say(*words(0, 300))
    await until(lambda: tail.frames.first > 0, "the window")
    asked = 0

    async def away(*_: object, **__: object) -> list[RawEntry]:
        nonlocal asked
        asked += 1
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(api.log, "read_raw", away)
        slow.unblock()
        await until(lambda: asked > 1, "Redis to be asked again")
        assert not slow.viewer.over
    await running.complete()
    await until(lambda: slow.wire.ended, "the end")
    assert slow.wire.body == b"".join(framed(api.hub.dialect, await log_of(api, running)))
