"""The appender: what leaves at once, and what gathers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Completed, Delta, Event, Part, PartEnd, Raw, Response, Usage, UsageReport
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from tests.contract.accepting import accept, claim, delta
from worker.maintenance.settler import Settler
from worker.writing.appender import SOON_WINDOWS, Appender
from worker.writing.cpu_load import CpuLoad
from worker.writing.observer import Observer
from worker.writing.writer import Writer


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


async def kept(writer: Writer, event: Event | None = None) -> float:
    """Seconds until the log has an event, a delta where none is given, that is put now."""
    began = time.monotonic()
    writer.put(event or delta("a"))
    await writer.caught_up()
    return time.monotonic() - began


async def test_a_busy_worker_gathers_but_lets_first_words_go(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    generations, log = Generations(redis, Queue(redis, settings), settings), Log(redis)
    appender = Appender(
        log,
        max_log=1_000,
        running_ttl=60,
        settler=Settler(generations.queue.indexes.settle, generations.durability),
        observer=Observer(),
    )
    task = asyncio.create_task(appender.run())
    writers = []
    for _ in range(2):
        generation_id = await accept(generations)
        start = await claim(log, generation_id)
        writers.append(appender.open(generation_id, start, restore=_never, stop=lambda _: None))
    old, new = writers
    for _ in range(5):
        await kept(old)
    appender.busy_gather_s = 1.0
    monkeypatch.setattr(CpuLoad, "share", lambda _: 0.0)
    assert await kept(old) < 0.5
    monkeypatch.setattr(CpuLoad, "share", lambda _: 1.0)
    assert await kept(new) < 0.5
    assert await kept(old) >= 0.9
    held = asyncio.create_task(kept(old))
    await asyncio.sleep(0)
    assert await kept(new) < 0.5
    assert await held < 0.5, "it leaves with those who may not wait"
    task.cancel()


async def test_within_the_window_only_first_words_ends_and_tool_calls_leave_at_once(redis: Redis) -> None:
    settings = Settings()
    generations, log = Generations(redis, Queue(redis, settings), settings), Log(redis)
    window = 1.0
    appender = Appender(
        log,
        max_log=1_000,
        running_ttl=60,
        window=window,
        settler=Settler(generations.queue.indexes.settle, generations.durability),
        observer=Observer(),
    )
    task = asyncio.create_task(appender.run())
    writers = []
    for _ in range(3):
        generation_id = await accept(generations)
        start = await claim(log, generation_id)
        writers.append(appender.open(generation_id, start, restore=_never, stop=lambda _: None))
    old, caller, new = writers
    for _ in range(5):
        for writer in (old, caller):
            await kept(writer, delta("a"))
    await asyncio.sleep(SOON_WINDOWS * window)
    assert await kept(old, delta("a")) < 0.5, "after a silence nothing is held"
    assert await kept(old, delta("a")) >= 0.9
    assert await kept(new, delta("a")) < 0.5, "first words"
    for event in (
        Part(part=1, kind="tool_call", call_id="c", name="f"),
        Delta(part=1, kind="tool_call", delta="{}"),
        PartEnd(part=1),
    ):
        held = asyncio.create_task(kept(old, delta("a")))
        await asyncio.sleep(0)
        assert await kept(caller, event) < 0.5, event.type
        assert await held < 0.5, "it leaves with those that may not wait"
    assert await kept(old, PartEnd(part=0)) >= 0.9
    assert await kept(old, Completed(finish_reason="stop")) < 0.5, "an end"
    task.cancel()


async def test_what_comes_before_the_first_words_does_not_make_them_wait(redis: Redis) -> None:
    settings = Settings()
    generations, log = Generations(redis, Queue(redis, settings), settings), Log(redis)
    appender = Appender(
        log,
        max_log=1_000,
        running_ttl=60,
        window=1.0,
        settler=Settler(generations.queue.indexes.settle, generations.durability),
        observer=Observer(),
    )
    task = asyncio.create_task(appender.run())
    generation_id = await accept(generations)
    start = await claim(log, generation_id)
    writer = appender.open(generation_id, start, restore=_never, stop=lambda _: None)
    before = (Response(response_id="r"), UsageReport(usage=Usage(1, 0)), Raw(protocol="p", data={}))
    for event in (*before, Part(part=0, kind="text"), delta("a")):
        assert await kept(writer, event) < 0.5, event.type
    assert await kept(writer, delta("a")) >= 0.9
    task.cancel()


async def _never() -> bool:
    return False
