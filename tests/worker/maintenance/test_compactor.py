"""A generation's log is packed once its end is on disk, by the worker that ended it."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.log.events import TERMINAL_TYPES
from shared.storage.keys import GenerationKeys
from tests.worker.conftest import Midstream, working


@pytest.mark.parametrize("pack", [True, False])
async def test_a_log_that_has_ended_is_packed_and_says_the_same(
    settings: Settings, midstream: Midstream, redis: Redis, pack: bool
) -> None:
    async with working(settings.model_copy(update={"pack": pack}), Durability(settings.lease, sync_s=0.05)):
        generation_id = await midstream.ask("simulator/lorem?deltas=40&rate=200")
        before = await midstream.until(
            generation_id, lambda entries: bool(entries) and entries[-1].type in TERMINAL_TYPES
        )
        assert len(before) > 10
        key = GenerationKeys(generation_id).log
        async with asyncio.timeout(10):
            while await midstream.generations.queue.indexes.not_pending([generation_id]) == []:
                await asyncio.sleep(0.01)
            while pack and await redis.xlen(key) == len(before):
                await asyncio.sleep(0.01)
        assert (await redis.xlen(key) < len(before)) == pack
        assert await midstream.log.read(generation_id) == before
