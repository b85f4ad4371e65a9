"""Replaying a log that has its end: page by page, as fast as the viewer reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from api.dialects.native.events import NativeDialect
from api.viewing import replayer
from api.viewing.replay_pages import ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.log.entry import RawEntry
from shared.log.events import ORIGIN, EventId
from shared.log.guarded_log import LOG_PAGE
from tests.api.viewing.framers import native, raw
from tests.api.viewing.test_tail import House, Wire

LOG = [raw(10, 0, "attempt"), *(raw(10, seq) for seq in range(1, LOG_PAGE + 100)), raw(10, LOG_PAGE + 100, "completed")]


class Source:
    """A log in memory, of which the first reads may fail."""

    def __init__(self, entries: list[RawEntry], *, failing: int = 0, error: type[Exception] = ConnectionError) -> None:
        self.entries, self.failing, self.error = entries, failing, error
        self.reads = 0

    async def read_raw(self, generation_id: str, after: EventId = ORIGIN, *, count: int = LOG_PAGE) -> list[RawEntry]:
        self.reads += 1
        if self.reads <= self.failing:
            raise self.error
        return [entry for entry in self.entries if EventId.parse(entry[0]) > after][:count]


def replay(
    source: Source, start: ResumePoint, dialect: NativeDialect, *, chunked: bool = True
) -> tuple[Viewer, Wire, asyncio.Task[None]]:
    """A viewer to whom it is replayed."""
    wire = Wire(chunked=chunked)
    viewer = Viewer(wire, House(), dialect)
    viewer.advance()
    wire.writes.clear()
    log: Any = source
    pages = ReplayPages(log, dialect)
    return viewer, wire, asyncio.create_task(replayer.replay(pages, "gen_x", viewer, start))


@pytest.mark.parametrize("chunked", [True, False])
async def test_what_follows_the_cursor(chunked: bool) -> None:
    dialect = NativeDialect()
    for seen in (0, 1, 2, LOG_PAGE - 1, LOG_PAGE, LOG_PAGE + 100):
        start = ResumePoint(EventId(10, seen - 1) if seen else ORIGIN)
        _, wire, task = replay(Source(LOG), start, dialect, chunked=chunked)
        await task
        assert wire.body == native(*LOG[seen:])
        assert wire.ended


async def test_a_page_waits_until_the_last_is_on_its_way() -> None:
    dialect = NativeDialect()
    viewer, wire, task = replay(Source(LOG), ResumePoint(), dialect)
    wire.full = True
    for _ in range(20):
        await asyncio.sleep(0)
    assert wire.writes == []
    wire.full = False
    viewer.advance()
    await task
    assert wire.body == native(*LOG)


async def test_a_redis_that_is_away_is_waited_for() -> None:
    dialect = NativeDialect()
    source = Source(LOG, failing=2)
    _, wire, task = replay(source, ResumePoint(), dialect)
    await task
    assert source.reads > 2
    assert wire.body == native(*LOG)


async def test_who_left_is_not_replayed_to() -> None:
    source = Source(LOG)
    viewer, wire, task = replay(source, ResumePoint(), NativeDialect())
    viewer.leave()
    await task
    assert (source.reads, wire.writes) == (0, [])


async def test_a_replay_that_fails_cuts_its_viewer(caplog: pytest.LogCaptureFixture) -> None:
    viewer, wire, task = replay(Source(LOG, failing=1, error=ZeroDivisionError), ResumePoint(), NativeDialect())
    await task
    assert viewer.over
    assert wire.writes == []
    assert "a replay failed" in caplog.text


async def test_a_log_whose_start_was_removed_says_so() -> None:
    dialect = NativeDialect()
    for start, told in (
        (ResumePoint(), dialect.reset("trimmed")),
        (ResumePoint(reset="unknown_cursor"), b""),  # said already
        (ResumePoint(EventId(10, 49)), b""),
    ):
        _, wire, task = replay(Source(LOG[50:]), start, dialect)
        await task
        assert wire.body == told + native(*LOG[50:])
