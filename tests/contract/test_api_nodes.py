"""Which API nodes live: by what they say, for as long as they say."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from shared.generations.api_nodes import ApiNodes


async def test_a_node_lives_for_as_long_as_it_says(redis: Redis) -> None:
    nodes = ApiNodes(redis)
    assert await nodes.beats([]) == {}
    assert not await nodes.beat("one", 1, 60)
    assert not await nodes.beat("two", 1, 0.05)
    async with asyncio.timeout(5):
        while await nodes.beats(["one", "two"]) != {"one": b"1", "two": None}:
            await asyncio.sleep(0.01)
    assert await nodes.beat("one", 2, 60)
    assert not await nodes.beat("two", 2, 0.05)
    assert await nodes.beats(["one"]) == {"one": b"2"}
    await nodes.leave("one")
    async with asyncio.timeout(5):
        while (await nodes.beats(["one"]))["one"] is not None:
            await asyncio.sleep(0.01)
