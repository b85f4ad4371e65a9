"""The faults of a Redis are what they say: a client that is not ours meets each of them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from tests.harness.server import FAKETIME, Clock, Server

PATIENCE = 15.0


@contextlib.asynccontextmanager
async def client(server: Server) -> AsyncIterator[Any]:
    """One connection that stands until it is closed, and none in its place."""
    redis = Redis.from_url(server.url, single_connection_client=True, socket_timeout=PATIENCE)
    try:
        yield redis
    finally:
        await redis.aclose()


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "data") as running:
        yield running


async def replicated(primary: Server, replica: Server) -> None:
    await replica.follow(primary)
    async with asyncio.timeout(PATIENCE):
        while not await replica.keeps_up():
            await asyncio.sleep(0.02)


async def test_a_fail_over_loses_nothing_and_leaves_connections_to_the_old_primary(
    server: Server, tmp_path: Path
) -> None:
    async with Server(tmp_path / "replica") as replica, client(server) as standing:
        await replicated(server, replica)
        acknowledged = 0

        async def write() -> None:
            nonlocal acknowledged
            while True:
                await standing.set("n", acknowledged + 1)
                acknowledged += 1

        writing = asyncio.create_task(write())
        async with asyncio.timeout(PATIENCE):
            while not acknowledged:
                await asyncio.sleep(0)
        assert await server.hand_over(replica)
        with pytest.raises(ReadOnlyError):
            await writing
        async with client(replica) as moved:
            assert int(await moved.get("n")) == acknowledged
            await moved.set("n", "after")
        # And back.
        await replicated(replica, server)
        assert await replica.hand_over(server)
        async with client(server) as again:
            assert await again.get("n") == b"after"


async def test_a_replica_that_is_not_ready_does_not_take_over(server: Server, tmp_path: Path) -> None:
    async with Server(tmp_path / "replica") as replica:
        assert not await server.hand_over(replica)
        async with client(server) as redis:
            await redis.set("n", "1")


async def test_a_redis_without_memory_or_without_disk_refuses_writes_and_takes_them_again(server: Server) -> None:
    async with client(server) as redis:
        async with server.without_memory():
            with pytest.raises(OutOfMemoryError):
                await redis.set("n", "1")
        await redis.set("n", "2")
        async with server.without_disk():
            with pytest.raises(ResponseError, match="MISCONF"):
                await redis.set("n", "3")
            assert await redis.get("n") == b"2"
        await redis.set("n", "4")


async def test_a_redis_that_loads_slowly_says_so(server: Server) -> None:
    async with client(server) as redis:
        pipeline = redis.pipeline(transaction=False)
        for n in range(5_000):
            pipeline.set(f"n{n}", "1")
        await pipeline.execute()
    await server.kill()
    starting = asyncio.create_task(server.start_slowly(1.0))
    heard = None
    while not starting.done() and not isinstance(heard, BusyLoadingError):
        try:
            async with client(server) as redis:
                await redis.get("n0")
        except (RedisError, OSError) as error:
            heard = error
        await asyncio.sleep(0.02)
    await starting
    assert isinstance(heard, BusyLoadingError)
    async with client(server) as redis:
        assert await redis.dbsize() == 5_000


async def test_a_clock_jumps_both_ways_while_redis_runs(tmp_path: Path) -> None:
    if not FAKETIME:
        pytest.skip("libfaketime is not installed (Debian's package libfaketime)")
    clock = Clock(tmp_path / "clock")
    async with Server(tmp_path / "data", clock=clock) as server, client(server) as redis:
        await redis.set("kept", "1", ex=3600)
        for offset in (600, 0, -600, 0):
            clock.jump(offset)
            await until_ahead(redis, offset)
            # What it waits for by its own clock goes on meanwhile.
            assert await redis.blpop("nothing", timeout=0.05) is None
        assert await redis.get("kept") == b"1"
        await server.kill()
        clock.jump(600)
        await server.start()
        async with client(server) as again:
            await until_ahead(again, 600)
    assert not shared_memory(server.pid)


async def until_ahead(redis: Redis, offset: int) -> None:
    """Wait until a server says so: a turn of its loop may have begun before its clock was set, with that time."""
    async with asyncio.timeout(PATIENCE):
        while abs((await redis.time())[0] - time.time() - offset) >= 2:
            await asyncio.sleep(0.01)


def shared_memory(pid: int) -> list[Path]:
    """What libfaketime keeps for a process."""
    return list(Path("/dev/shm").glob(f"*faketime*_{pid}"))


async def test_a_crash_takes_no_more_than_the_last_second(server: Server) -> None:
    text = "x" * 1_000
    async with client(server) as redis:
        await redis.set("early", text)
        async with asyncio.timeout(PATIENCE):
            early = time.monotonic()
            while time.monotonic() < early + 1.2:
                server.tail.look()
                await redis.rpush("late", text)
                await asyncio.sleep(0.01)
    at = time.time()
    await server.kill()
    assert server.cut(at, random.Random(1)) > 5_000
    await server.start()
    async with client(server) as redis:
        assert await redis.get("early") == text.encode()
