"""Whom of the Sentinels is believed, and what their news closes. With real ones: tests/mended/test_failover.py."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool, SentinelManagedConnection
from redis.exceptions import ConnectionError

from shared.config.sentinel_address import sentinel_address
from shared.storage import sentinel
from shared.storage.connections import connect
from shared.storage.sentinel import SentinelPool, Sentinels
from tests.shared.storage.scripted_redis import ScriptedRedis, eventually


def says(port: int, epoch: int, flags: str = "master") -> bytes:
    """A Sentinel's reply to SENTINEL MASTER."""
    fields = {"ip": "127.0.0.1", "port": port, "flags": flags, "config-epoch": epoch, "num-other-sentinels": 2}
    words = [str(word).encode() for field in fields.items() for word in field]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def ask(*replies: bytes) -> tuple[str, int]:
    """What Sentinels with these replies are taken to say; one without a reply says nothing."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(ScriptedRedis(lambda _n, _w, reply=reply: reply))  # type: ignore[misc]
            for reply in replies
        ]
        nodes = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        address = sentinel_address(f"redis+sentinel://{nodes}/m")
        assert address is not None
        return await Sentinels(address).discover_master("m")


async def test_the_newest_answer_counts() -> None:
    assert await ask(says(1, 4), says(2, 5), says(1, 4)) == ("127.0.0.1", 2)


async def test_who_is_silent_is_not_waited_for() -> None:
    began = asyncio.get_running_loop().time()
    assert await ask(b"", says(2, 5), b"") == ("127.0.0.1", 2)
    assert asyncio.get_running_loop().time() - began < sentinel.SENTINEL_TIMEOUT_S


@pytest.mark.parametrize("flags", ["s_down,master", "s_down,o_down,master", "slave"])
async def test_a_primary_that_is_down_is_none(flags: str) -> None:
    assert await ask(says(1, 9, flags), says(2, 5)) == ("127.0.0.1", 2)
    with pytest.raises(MasterNotFoundError, match="down"):
        await ask(says(1, 9, flags))


async def test_who_knows_no_such_service_says_so() -> None:
    with pytest.raises(MasterNotFoundError, match="No such master"):
        await ask(b"-ERR No such master with that name\r\n")


async def test_a_change_closes_what_leads_to_the_old_primary() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as old, ScriptedRedis(lambda *_: b"+OK\r\n") as new:
        now = old
        async with ScriptedRedis(lambda *_: says(now.port, 1)) as watcher:
            redis = connect(f"redis+sentinel://127.0.0.1:{watcher.port}/m", timeout=5)
            pool = redis.connection_pool
            assert isinstance(pool, SentinelPool)
            pool.watch_interval_s = 0.02
            assert isinstance(pool, SentinelConnectionPool)
            assert isinstance(pool, BlockingConnectionPool)
            assert issubclass(pool.connection_class, SentinelManagedConnection)
            await redis.set("k", "1")
            assert (old.open, new.open) == (1, 0)
            now = new
            await eventually(lambda: old.open == 0)  # although nobody used it
            await redis.set("k", "1")
            assert (old.open, new.open) == (0, 1)
            await redis.aclose()


async def test_each_try_asks_anew() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as there:
        asked = 0

        def answers(*_: object) -> bytes:
            nonlocal asked
            asked += 1
            return says(9 if asked == 1 else there.port, 1)  # nobody listens on port 9

        async with ScriptedRedis(answers) as watcher:
            redis = connect(f"redis+sentinel://127.0.0.1:{watcher.port}/m", timeout=5)
            assert await redis.set("k", "1")
            await redis.aclose()


async def test_without_sentinels_it_says_so() -> None:
    redis = connect("redis+sentinel://127.0.0.1:9,127.0.0.1:9/m", timeout=5, retries=0)
    with pytest.raises(ConnectionError, match="no Sentinel says where 'm' is"):
        await redis.set("k", "1")
    await redis.aclose()
