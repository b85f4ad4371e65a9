"""Which workers are alive: by what they say, and by Redis' clock."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from shared.queue.workers import Workers
from shared.storage.keys import WORKERS_KEY


async def test_workers_are_alive_for_as_long_as_they_say(redis: Redis) -> None:
    workers = Workers(redis)
    assert await workers.alive() == 0
    await workers.beat("one", 60)
    await workers.beat("two", 0.05)
    async with asyncio.timeout(5):
        while await workers.alive() != 1:
            await asyncio.sleep(0.01)
    await workers.beat("one", 60)
    assert await workers.alive() == 1
    await workers.leave("one")
    assert await workers.alive() == 0


async def test_workers_of_before_the_clock_was_set_back_are_not_alive(redis: Redis) -> None:
    workers = Workers(redis)
    await workers.beat("lost", 5)
    await redis.zincrby(WORKERS_KEY, 600_000, "lost")
    assert await workers.alive() == 0
    await workers.beat("living", 5)
    assert await redis.zcard(WORKERS_KEY) == 1
