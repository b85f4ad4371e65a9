"""Two owners on real processes: one floods, and the other is served as if it did not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.storage.connections import connect
from shared.storage.keys import QUEUE_KEY, line_key, running_key
from tests.e2e.viewers import DEADLINE, ask, parse
from tests.harness.processes import Stack

KEYS = {"flood": "k-flood-0123456789", "single": "k-single-0123456789"}
ENDLESS = "simulator/lorem?deltas=1000000&rate=2"


def as_owner(owner: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=DEADLINE, headers={"Authorization": f"Bearer {KEYS[owner]}"})


def two_owners(tmp_path: Path, concurrency: int, *, workers: int = 1) -> Stack:
    environment = {
        "MIDSTREAM_API_KEYS": ",".join(f"{owner}:{key}" for owner, key in KEYS.items()),
        "MIDSTREAM_CONCURRENCY": str(concurrency),
    }
    return Stack(tmp_path, workers=workers, environment=environment)


@asynccontextmanager
async def redis_of(stack: Stack) -> AsyncIterator[Any]:
    redis = connect(stack.valkey.url, timeout=5)
    try:
        yield redis
    finally:
        await redis.aclose()


async def until_running(redis: Any, owner: str, number: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while await redis.scard(running_key(owner)) != number:
            await asyncio.sleep(0.02)


@pytest.mark.promise(6)
async def test_one_owners_flood_keeps_no_other_waiting(tmp_path: Path) -> None:
    async with (
        two_owners(tmp_path, concurrency=5) as stack,
        as_owner("flood") as flood,
        as_owner("single") as single,
        redis_of(stack) as redis,
    ):
        (api,) = stack.apis
        for _ in range(40):
            await ask(flood, api.url, ENDLESS)
        await until_running(redis, "flood", 4)
        for _ in range(3):
            # It ends, though none of those that were there before it ever will.
            body = {"model": "simulator/lorem?deltas=5&rate=0", "messages": [{"role": "user", "content": "Go."}]}
            headers = {"Accept": "text/event-stream"}
            answer = await single.post(f"{api.url}/v1/generations", json=body, headers=headers)
            assert parse(answer.content)[-1][1] == "completed"
            assert await redis.scard(running_key("flood")) == 4, "of five places four fifths"
        assert await redis.zcard(line_key("flood")) == 36


@pytest.mark.promise(6)
async def test_a_worker_that_is_killed_leaves_the_other_owner_its_place(tmp_path: Path) -> None:
    """What it ran goes first, but holds no more than its owner's share of what is left."""
    async with (
        two_owners(tmp_path, concurrency=3, workers=2) as stack,
        as_owner("flood") as flood,
        as_owner("single") as single,
        redis_of(stack) as redis,
    ):
        (api,) = stack.apis
        for _ in range(20):
            await ask(flood, api.url, ENDLESS)
        await until_running(redis, "flood", 4)
        await stack.workers[0].kill()
        await until_running(redis, "flood", 2)
        generation_id = await ask(single, api.url, "simulator/lorem?deltas=5&rate=0")
        events = (await single.get(f"{api.url}/v1/generations/{generation_id}/events")).content
        assert parse(events)[-1][1] == "completed"


async def test_what_is_cancelled_while_it_waits_makes_room_in_its_line(tmp_path: Path) -> None:
    async with two_owners(tmp_path, concurrency=1) as stack, as_owner("flood") as flood, redis_of(stack) as redis:
        (api,) = stack.apis
        running, waiting = [await ask(flood, api.url, ENDLESS) for _ in range(2)]
        await until_running(redis, "flood", 1)
        assert (await flood.post(f"{api.url}/v1/generations/{waiting}/cancel")).json()["state"] == "cancelled"
        assert await redis.zrange(QUEUE_KEY, 0, -1) == [running.encode()]
