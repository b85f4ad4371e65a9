"""The pool: bounded, idle connections given back, and what is there made do with where Redis takes no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from shared.storage.connection_pool import BoundedPool
from shared.storage.connections import connect
from shared.storage.outage import CROWDED_WORDS, is_crowded
from tests.shared.storage.scripted_redis import ScriptedRedis, eventually


def pool_of(redis: Redis) -> BoundedPool:
    pool = redis.connection_pool
    assert isinstance(pool, BoundedPool)
    return pool


async def test_at_most_so_many_at_once() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5, connections=3)
        assert all(await asyncio.gather(*(redis.set("k", "1") for _ in range(50))))
        assert len(server.commands) == 3
        await redis.aclose()


async def test_idle_ones_are_given_back_but_for_one() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5, connections=8)
        pool_of(redis).idle_s = 0.05
        await asyncio.gather(*(redis.set("k", "1") for _ in range(50)))
        assert server.open == 8
        await eventually(lambda: server.open == 1)
        await redis.set("k", "1")
        assert server.open == 1
        await redis.aclose()


async def test_one_in_use_is_kept() -> None:
    release = asyncio.Event()
    async with ScriptedRedis(lambda _, words: b"" if words[0] == b"BLPOP" else b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5, connections=8)
        pool_of(redis).idle_s = 0.05
        waiting = [asyncio.create_task(redis.blpop(["l"], 0)) for _ in range(2)]  # type: ignore[arg-type,var-annotated]
        await eventually(lambda: server.open == 2)
        await asyncio.gather(*(redis.set("k", "1") for _ in range(20)))
        await eventually(lambda: server.open == 3)
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        release.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        await redis.aclose()


async def test_who_came_first_is_served_first() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5, connections=1)
        await redis.set("first", "1")

        async def again_and_again() -> None:
            while True:
                await redis.set("busy", "1")

        busy = asyncio.create_task(again_and_again())
        await eventually(lambda: len(server.commands[0]) > 3)
        write: Any = redis.set
        waiting = [asyncio.create_task(write(f"k{number}", "1")) for number in range(30)]
        await asyncio.gather(*waiting)
        busy.cancel()
        keys = [words[1] for words in server.commands[0]]
        begun = keys.index(b"k0")
        in_turn = [key for key in keys[begun:] if key != b"busy"]
        assert in_turn == [b"k%d" % number for number in range(30)]
        assert keys[begun : keys.index(b"k29")].count(b"busy") <= 1  # it waited at the end of the line
        await redis.aclose()


async def test_who_goes_while_it_waits_leaves_its_turn_to_the_next() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=1, connections=1)
        all_there_is: Any = pool_of(redis)
        all_there_is.crowded_s = 0.05
        held = await all_there_is.get_connection()
        goes, stays = (asyncio.create_task(all_there_is.get_connection()) for _ in range(2))
        await asyncio.sleep(0)
        await all_there_is.release(held)
        goes.cancel()
        assert await stays is held
        await all_there_is.release(held)
        await redis.aclose()


class Crowded(ScriptedRedis):
    """Hangs up on every connection after so many, as Redis does at `maxclients`."""

    def __init__(self, most: int) -> None:
        super().__init__(lambda *_: b"+OK\r\n")
        self._most = most
        self.refused = 0

    def make_room(self, most: int) -> None:
        self._most = most

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open < self._most:
            await super()._serve(reader, writer)
            return
        self.refused += 1
        writer.write(f"-ERR {CROWDED_WORDS}\r\n".encode())
        writer.close()


async def test_where_redis_takes_no_more_those_that_are_there_serve_all() -> None:
    async with Crowded(2) as server:
        redis = connect(server.url, timeout=5, connections=10)
        assert all(await asyncio.gather(*(redis.set("k", "1") for _ in range(200))))
        assert 0 < server.refused < 50
        assert server.open <= 2
        await redis.aclose()


async def test_where_there_is_none_it_says_why() -> None:
    async with Crowded(0) as server:
        redis = connect(server.url, timeout=5)
        with pytest.raises(ConnectionError) as caught:
            await redis.set("k", "1")
        assert is_crowded(caught.value)
        await redis.aclose()


class Curt(Crowded):
    """At `maxclients` too, but who writes at once may see no more than a broken pipe: the first one does."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.refused:
            self.refused += 1
            writer.transport.abort()
            return
        await super()._serve(reader, writer)


async def test_where_redis_hung_up_without_a_word_it_is_heard_why() -> None:
    async with Curt(0) as server:
        redis = connect(server.url, timeout=5)
        with pytest.raises(ConnectionError) as caught:
            await redis.set("k", "1")
        assert is_crowded(caught.value)
        assert server.refused == 2
        await redis.aclose()


async def test_after_redis_had_no_room_for_any_it_is_asked_again() -> None:
    async with Crowded(0) as server:
        redis = connect(server.url, timeout=5)
        for _ in range(2):  # the second one must not wait for a connection that nobody has
            with pytest.raises(ConnectionError) as caught:
                await asyncio.wait_for(redis.set("k", "1"), 2)
            assert is_crowded(caught.value)
        server.make_room(5)
        await asyncio.wait_for(redis.set("k", "1"), 2)
        await redis.aclose()


async def test_who_waits_while_all_are_in_use_for_long_connects_when_there_is_room() -> None:
    async with Crowded(1) as server:
        redis = connect(server.url, timeout=0.3)
        all_there_is: Any = pool_of(redis)
        all_there_is.crowded_s = 0.05
        held = await all_there_is.get_connection()
        for _ in range(2):
            with pytest.raises(ConnectionError) as caught:
                await redis.set("k", "1")
            assert is_crowded(caught.value)
        waiting = [asyncio.create_task(all_there_is.get_connection()) for _ in range(2)]
        refused = server.refused
        await eventually(lambda: server.refused > refused)
        server.make_room(5)
        connections = await asyncio.gather(*waiting)
        for connection in (held, *connections):
            await all_there_is.release(connection)
        await redis.aclose()


async def test_where_there_was_none_one_is_tried_again() -> None:
    async with Crowded(0) as server:
        redis = connect(server.url, timeout=1, retries=0)
        for _ in range(3):
            with pytest.raises(ConnectionError) as caught:
                await redis.set("k", "1")
            assert is_crowded(caught.value)
        server._most = 5
        assert all(await asyncio.gather(*(redis.set("k", "1") for _ in range(20))))
        await redis.aclose()


async def test_who_waited_in_vain_keeps_no_place() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=0.05, connections=1)
        pool_of_one: Any = redis.connection_pool
        held = await pool_of_one.get_connection()
        waiting = (pool_of_one.get_connection() for _ in range(3))
        assert all(isinstance(end, ConnectionError) for end in await asyncio.gather(*waiting, return_exceptions=True))
        assert not pool_of_one._waiters
        await held.disconnect()
        await pool_of_one.release(held)
        await redis.set("k", "1")
        await redis.aclose()


async def test_who_waits_is_served_once_a_crowd_is_over() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5, connections=2)
        crowded: Any = pool_of(redis)
        crowded.crowded_s = 0.1
        held = await crowded.get_connection()
        assert crowded._make_do()
        other = await crowded.get_connection()  # nobody gives one back
        assert other is not held
        await crowded.release(other)
        await crowded.release(held)
        await redis.aclose()
