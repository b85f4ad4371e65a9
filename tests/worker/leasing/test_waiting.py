"""What a worker does of what others wait for: says that it is alive, and counts what a generation has waited."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.log.events import Failed
from shared.queue.workers import Workers
from shared.storage.clock import read_clock
from tests.worker.conftest import Eventually, Midstream, working


async def test_a_worker_is_alive_while_it_works(settings: Settings, redis: Redis, eventually: Eventually) -> None:
    workers = Workers(redis)
    assert await workers.alive() == 0
    async with working(settings):

        async def one() -> bool:
            return await workers.alive() == 1

        async def none() -> bool:
            return await workers.alive() == 0

        await eventually(one)
    await eventually(none)


async def test_the_deadline_counts_from_when_it_was_accepted(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    began, _ = await read_clock(redis)
    generation_id = await midstream.ask("simulator/lorem?deltas=999&rate=20", deadline=1.5)
    async with asyncio.timeout(10):
        while (await read_clock(redis))[0] < began + 1600:
            await asyncio.sleep(0.02)
    async with working(settings):
        events = await midstream.ended(generation_id)
    end = events[-1]
    assert isinstance(end, Failed)
    assert end.code == "deadline_exceeded"
    assert end.t < 1000
