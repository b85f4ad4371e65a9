"""Counts of viewers: each node's own, for a while."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis

from shared.generations.viewer_counts import OtherNodes, ViewerCounts
from shared.storage.keys import GenerationKeys, owner_viewers_key

ONE, OTHER = GenerationKeys("gen_a").viewers, owner_viewers_key("ann")


async def test_each_node_has_what_the_others_noted(redis: Redis) -> None:
    counts = ViewerCounts(redis, 60)
    assert await counts.note("a", {ONE: 2, OTHER: 1}) == [OtherNodes(0, 0)] * 2
    (one, other) = await counts.note("b", {ONE: 3, OTHER: 0})
    assert (one.viewers, other.viewers) == (2, 1)
    assert 50_000 < one.left_ms <= 60_000
    assert [found.viewers for found in await counts.look([ONE, OTHER], "a")] == [3, 0]
    assert [found.viewers for found in await counts.look([ONE, OTHER])] == [5, 1]
    assert await counts.look([]) == []
    await counts.note("a", {ONE: 0, OTHER: 0})
    assert [found.viewers for found in await counts.look([ONE, OTHER])] == [3, 0]
    assert not await redis.exists(OTHER)


async def test_a_count_that_is_not_renewed_counts_no_more_and_leaves_nothing(redis: Any) -> None:
    counts = ViewerCounts(redis, 1)
    await counts.note("dead", {ONE: 2})
    async with asyncio.timeout(5):
        while (await counts.note("alive", {ONE: 1}))[0].viewers:
            await asyncio.sleep(0.02)
    assert await redis.hkeys(ONE) == [b"alive"]
    async with asyncio.timeout(5):
        while await redis.exists(ONE):
            await asyncio.sleep(0.02)


async def test_a_count_from_before_the_clock_was_set_back_counts_no_more(redis: Any) -> None:
    counts = ViewerCounts(redis, 10)
    seconds, _ = await redis.time()
    await redis.hset(ONE, "old", f"7 {(seconds + 600) * 1000}")
    await redis.hset(ONE, "odd", "seven")
    assert (await counts.look([ONE]))[0].viewers == 0
    assert await redis.hlen(ONE) == 2  # to look changes nothing
    assert (await counts.note("a", {ONE: 1}))[0].viewers == 0
    assert await redis.hkeys(ONE) == [b"a"]
