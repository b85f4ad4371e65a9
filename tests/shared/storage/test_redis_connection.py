"""One connection: refusals that are no answer are sent again over another, and a large value is written as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, ResponseError

from shared.process.background_thread import LONG_WORK_BYTES
from shared.storage.connection_pool import HungUpError
from shared.storage.connections import connect
from shared.storage.lua_script import LuaScript
from shared.storage.outage import CROWDED_WORDS, is_crowded, refusal
from shared.storage.redis_connection import arrived
from tests.shared.storage.scripted_redis import NOT_HERE, NOT_NOW, ScriptedRedis, eventually


async def command(redis: Redis) -> object:
    return await redis.set("k", "1")


async def script(redis: Redis) -> object:
    return await LuaScript("shared/generations/beside.lua")(redis, ["k"], ["w", 1])


async def pipeline(redis: Redis) -> object:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set("k", "1")
        pipe.set("l", "1")
        return await pipe.execute(raise_on_error=False)


@pytest.mark.parametrize("ask", [command, script, pipeline])
@pytest.mark.parametrize("code", [*NOT_HERE, *NOT_NOW])
async def test_sent_again_over_another_connection(code: str, ask: Callable[[Redis], Awaitable[object]]) -> None:
    words = (NOT_HERE | NOT_NOW)[code]
    async with ScriptedRedis(lambda number, _: b"+OK\r\n" if number else words) as server:
        redis = connect(server.url, timeout=5)
        assert await ask(redis)
        assert server.commands[1] == server.commands[0]
        await eventually(lambda: server.open == 1)
        await redis.aclose()


@pytest.mark.parametrize("code", [*NOT_HERE, *NOT_NOW])
async def test_refused_for_good_where_each_try_is(code: str) -> None:
    async with ScriptedRedis(lambda *_: (NOT_HERE | NOT_NOW)[code]) as server:
        redis = connect(server.url, timeout=5, retries=2)
        with pytest.raises(ConnectionError, match=code) as caught:
            await redis.set("k", "1")
        assert refusal(caught.value) == code
        assert [words for words in server.commands if words] == [[[b"SET", b"k", b"1"]]] * 3
        await redis.aclose()


async def test_what_is_no_reason_to_go_elsewhere_is_an_answer() -> None:
    async with ScriptedRedis(lambda *_: b"-OOM command not allowed when used memory > 'maxmemory'.\r\n") as server:
        redis = connect(server.url, timeout=5)
        with pytest.raises(ResponseError):
            await redis.set("k", "1")
        assert len(server.commands) == 1
        await redis.aclose()


@pytest.mark.parametrize("size", [0, LONG_WORK_BYTES - 1, LONG_WORK_BYTES, 3_000_000])
async def test_a_large_value_arrives_as_it_is_and_is_not_copied(size: int) -> None:
    large = b"\r\n" * size
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5)
        await redis.set("k", large, px=7)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.set("a", "1")
            pipe.set("b", large)
            await pipe.execute()
        connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await redis.aclose()
        said = [words for words in server.commands[0] if words[0] == b"SET"]
    assert said == [[b"SET", b"k", large, b"PX", b"7"], [b"SET", b"a", b"1"], [b"SET", b"b", large]]
    if size >= LONG_WORK_BYTES:
        assert any(piece is large for piece in connection.pack_command("SET", "k", large))


async def test_one_that_is_refused_for_their_number_says_so() -> None:
    async with ScriptedRedis(lambda *_: b"-ERR " + CROWDED_WORDS.encode() + b"\r\n") as server:
        redis = connect(server.url, timeout=5, retries=0)
        with pytest.raises(ConnectionError) as caught:
            await redis.set("k", "1")
        assert is_crowded(caught.value)
        await redis.aclose()


async def test_one_that_is_hung_up_on_before_it_was_introduced_says_that() -> None:
    async with ScriptedRedis(lambda *_: b"") as server:
        server.hangs_up = True
        redis = connect(server.url, timeout=5, retries=0)
        with pytest.raises(HungUpError) as caught:
            await redis.set("k", "1")
        assert isinstance(caught.value, ConnectionError), "redis-py's own, which is told and tried as any other"
        await redis.aclose()


async def test_replies_that_came_together_are_read_together() -> None:
    async with ScriptedRedis(lambda _, words: b"+a\r\n+b\r\n:3\r\n" if words[0] == b"PING" else b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5)
        connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()
        await connection.send_command("PING", check_health=False)
        assert [await connection.read_response(), *arrived(connection)] == [b"a", b"b", 3]
        await connection.disconnect()
        await redis.aclose()


async def test_an_error_among_replies_that_came_together_is_raised() -> None:
    async with ScriptedRedis(lambda _, words: b"+a\r\n-ERR no\r\n" if words[0] == b"PING" else b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5)
        connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()
        await connection.send_command("PING", check_health=False)
        assert await connection.read_response() == b"a"
        with pytest.raises(ResponseError, match="no"):
            list(arrived(connection))
        await connection.disconnect()
        await redis.aclose()


async def test_what_nobody_asked_for_makes_it_unusable() -> None:
    async with ScriptedRedis(lambda _, words: b"+PONG\r\n+more\r\n" if words[0] == b"PING" else b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5)
        connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        assert await connection.can_read_destructive(), "it is not connected"
        await connection.connect()
        assert not await connection.can_read_destructive()
        connection.cut()
        await eventually(lambda: server.open == 0)
        assert await connection.can_read_destructive()
        await connection.disconnect()
        await redis.aclose()


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (("SET", "k", "é"), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\xc3\xa9\r\n"),
        (("CLIENT SETNAME", b"x"), b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nx\r\n"),
        ((b"INCRBY", "k", 7), b"*3\r\n$6\r\nINCRBY\r\n$1\r\nk\r\n$1\r\n7\r\n"),
        (("SET", "k", memoryview(b"v")), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"),
    ],
)
async def test_a_command_is_written_as_redis_reads_it(command: tuple[object, ...], written: bytes) -> None:
    redis = connect("redis://127.0.0.1:9", timeout=1)
    connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    assert b"".join(connection.pack_command(*command)) == written
    await redis.aclose()
