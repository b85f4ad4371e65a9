"""A long log in a dialect: page by page, from any event on, as fast as its viewer reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from api.viewing import projection
from api.viewing.dialect import Subject, Telling
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.log.entry import RawEntry
from shared.log.events import EventId
from tests.api.viewing.framers import UnevenDialect, UnevenFramer, framed, raw
from tests.api.viewing.stand_ins import record
from tests.api.viewing.test_replayer import LOG, Source
from tests.api.viewing.test_tail import AnewDialect, AnewFramer, House, Wire

TOLD = Telling(UnevenDialect(), Subject("gen_x"))


def projected(
    source: Source, start: ResumePoint, told: Telling = TOLD, *, chunked: bool = True
) -> tuple[Viewer, Wire, asyncio.Task[None]]:
    """A viewer to whom it is sent."""
    wire = Wire(chunked=chunked)
    viewer = Viewer(wire, House(), told.dialect)
    log: Any = source
    return viewer, wire, asyncio.create_task(projection.project(log, "gen_x", told, viewer, start))


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("page", [1, 7, 500])
async def test_it_is_what_a_tail_sends(page: int, chunked: bool) -> None:
    events = framed(UnevenDialect(), LOG)
    for number in (0, 1, 2, 3, len(events) - 1, len(events)):
        _, wire, task = projected(Source(LOG), ResumePoint(number=number, page=page), chunked=chunked)
        await task
        assert wire.body == b"".join(events[number:]) + UnevenDialect.ending
        assert wire.ended


async def test_only_the_epoch_that_stands_is_sent() -> None:
    log = [*LOG[:5], raw(20, 0, "attempt"), *(raw(20, seq) for seq in range(1, 9)), raw(20, 9, "completed")]
    told = Telling(AnewDialect(), Subject("gen_x"))
    source: Any = Source(log)
    for page in (1, 2, 500):
        epoch, events = await projection.last_standing(source, "gen_x", told, page)
        whole = [b"data: opening 2\n\n", *framed(UnevenDialect(), log[6:])[1:]]
        assert (epoch, events) == (2, len(whole))
        for number in (0, 1, 3):
            _, wire, task = projected(Source(log), ResumePoint(number=number, epoch=2, page=page), told)
            await task
            assert wire.body == b"".join(whole[number:]) + AnewDialect.ending


async def test_void_frames_are_not_held() -> None:
    held: set[int] = set()
    most: list[int] = []

    class Frame(bytes):
        def __del__(self) -> None:
            held.discard(id(self))

    class Framer(AnewFramer):
        def frames(self, entry: RawEntry) -> tuple[bytes, ...]:
            made = tuple(map(Frame, super().frames(entry)))
            held.update(map(id, made))
            most.append(len(held))
            return made

    class Anew(AnewDialect):
        def framer(self, subject: Subject) -> AnewFramer:
            return Framer()

    log = [*LOG[:-1], raw(20, 0, "attempt"), raw(20, 1), raw(20, 2, "completed")]
    _, wire, task = projected(Source(log), ResumePoint(number=0, epoch=2, page=10), Telling(Anew(), Subject("gen_x")))
    await task
    assert wire.ended
    assert max(most) < 100 < sum(map(len, map(UnevenFramer().frames, LOG)))


async def test_it_waits_for_redis_and_for_room() -> None:
    viewer, wire, task = projected(Source(LOG, failing=2), ResumePoint(number=0))
    wire.full = True
    for _ in range(20):
        await asyncio.sleep(0)
    assert wire.writes == []
    wire.full = False
    viewer.advance()
    await asyncio.wait_for(task, 20)
    assert wire.body == b"".join(framed(UnevenDialect(), LOG)) + UnevenDialect.ending


async def test_who_has_had_more_than_there_is_is_broken_off() -> None:
    count = len(framed(UnevenDialect(), LOG))
    viewer, wire, task = projected(Source(LOG), ResumePoint(number=count + 1))
    await task
    assert viewer.over
    assert (wire.body, wire.ended) == (b"", False)


async def test_of_a_log_without_its_end_more_may_come() -> None:
    source: Any = Source(LOG[:-1])
    assert await projection.last_standing(source, "gen_x", TOLD, 500) == (1, None)


async def test_who_asks_for_the_epoch_is_told_that_redis_is_away() -> None:
    source: Any = Source(LOG, failing=1)
    with pytest.raises(ConnectionError):
        await projection.last_standing(source, "gen_x", TOLD, 500)


@pytest.mark.parametrize("log", [LOG[:-1], []])
async def test_a_log_without_its_end_does_not_look_finished(log: list[Any]) -> None:
    """It was deleted meanwhile."""
    _, wire, task = projected(Source(log), ResumePoint(number=0))
    await task
    assert wire.broken_off
    assert not wire.ended


async def test_one_that_cannot_be_framed_breaks_its_viewer_off() -> None:
    _, wire, task = projected(Source(LOG, failing=1, error=ZeroDivisionError), ResumePoint(number=0))
    await task
    assert wire.broken_off


def test_which_logs_are_long() -> None:
    assert not projection.is_long(record())
    assert not projection.is_long(record(seal=EventId(5, projection.LONG_EVENTS - 1)))
    assert projection.is_long(record(seal=EventId(5, projection.LONG_EVENTS)))
