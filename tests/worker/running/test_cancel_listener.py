"""Cancels that were not heard are found, whatever else is said on the channel."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.storage.keys import INTERRUPTS_CHANNEL, GenerationKeys
from tests.worker.conftest import Midstream, said_something, working


async def test_others_cancels_do_not_hide_one_that_was_not_heard(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=9&rate=0&fault=stall@4", idle_timeout=60)
        await midstream.until(generation_id, said_something)

        async def others() -> None:
            while True:
                await redis.publish(INTERRUPTS_CHANNEL, "gen_other")
                await asyncio.sleep(0.1)

        noise = asyncio.create_task(others())
        await redis.hset(GenerationKeys(generation_id).record, "cancel", "1")  # type: ignore[misc]  # for both of its clients
        try:
            events = await midstream.ended(generation_id, 10)
        finally:
            noise.cancel()
    assert events[-1].type == "cancelled"
