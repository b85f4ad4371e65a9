"""Refusals that are no answer: the connection is closed, and the command goes to whoever is behind the address now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, ResponseError

from shared.process.background_thread import LONG_WORK_BYTES
from shared.storage.connections import connect
from shared.storage.lua_script import LuaScript
from shared.storage.outage import refusal
from shared.storage.primary import primary_of
from shared.storage.subscriber import Subscriber
from tests.shared.storage.scripted_redis import ScriptedRedis

NOT_HERE = {
    "READONLY": b"-READONLY You can't write against a read only replica.\r\n",
    "MASTERDOWN": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    "NOREPLICAS": b"-NOREPLICAS Not enough good replicas to write.\r\n",
    "UNBLOCKED": b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n",
    "MOVED": b"-MOVED 866 127.0.0.1:7002\r\n",
}
NOT_NOW = {
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
    "TRYAGAIN": b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "CLUSTERDOWN": b"-CLUSTERDOWN The cluster is down\r\n",
}


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def command(redis: Redis) -> object:
    return await redis.set("k", "1")


async def script(redis: Redis) -> object:
    return await LuaScript("shared/queue/worker_beat.lua")(redis, ["k"], ["w", 1])


async def pipeline(redis: Redis) -> object:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set("k", "1")
        pipe.set("l", "1")
        return await pipe.execute(raise_on_error=False)


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("BUSY Redis is busy running a script.", "BUSY"),
        ("MISCONF Redis is configured to save.", "MISCONF"),
        ("ERR ACL failure in script: User u has no permissions to run the 'publish' command", "NOPERM"),
    ],
)
async def test_a_refusal_in_a_pipeline_is_one(words: str, code: str, transaction: bool) -> None:
    async with ScriptedRedis(
        lambda _, command: b"+OK\r\n" if command[0] in (b"CLIENT", b"MULTI") else f"-{words}\r\n".encode()
    ) as server:
        redis = connect(server.url, timeout=5)
        async with redis.pipeline(transaction=transaction) as pipe:
            pipe.set("k", "secret")
            with pytest.raises(ResponseError) as caught:
                await pipe.execute()
        assert refusal(caught.value) == code
        assert "secret" not in str(caught.value)
        await redis.aclose()


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


class Hears:
    """A listener that counts its subscriptions."""

    def __init__(self) -> None:
        self.begun = 0

    def subscribed(self) -> None:
        self.begun += 1

    def published(self, message: bytes) -> None:
        raise AssertionError(message)


def subscribes(_: int, words: list[bytes]) -> bytes:
    """The replies of a primary to what a subscriber, a blocking pop and a write say."""
    if words[0] == b"SUBSCRIBE":
        return b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    if words[0] == b"PING":
        return b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    return b"" if words[0] == b"BLPOP" else b"+OK\r\n"


async def test_all_connections_heed_what_one_is_told() -> None:
    moved = False

    def answers(number: int, words: list[bytes]) -> bytes:
        return NOT_HERE["READONLY"] if moved and number < 3 and words[0] == b"SET" else subscribes(number, words)

    async with ScriptedRedis(answers) as server:
        redis, blocking = connect(server.url, timeout=5), connect(server.url, timeout=5, retries=0)
        primary_of(server.url).close_interval_s = 0.0
        await redis.set("k", "1")
        heard = Hears()
        subscriber = Subscriber(redis, timeout=5)
        subscriber.subscribe("c", heard)
        listening = asyncio.create_task(subscriber.run())
        waiting = asyncio.create_task(blocking.blpop(["l"], 0))  # type: ignore[arg-type,var-annotated]
        await eventually(lambda: heard.begun == 1 and len(server.commands) == 3 and all(server.commands))
        moved = True
        assert await redis.set("k", "1")
        await eventually(lambda: heard.begun == 2)
        with pytest.raises(ConnectionError):
            await waiting
        listening.cancel()
        await redis.aclose()
        await blocking.aclose()


async def test_a_subscriber_that_hears_nothing_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(number: int, words: list[bytes]) -> bytes:
        # The first two connections, the subscriber's and its write's, lead to a replica; a replica answers PING.
        return NOT_HERE["READONLY"] if number < 2 and words[0] == b"SET" else subscribes(number, words)

    async with ScriptedRedis(answers) as server:
        redis = connect(server.url, timeout=5)
        heard = Hears()
        subscriber = Subscriber(redis, timeout=0.05)
        subscriber.subscribe("c", heard)
        listening = asyncio.create_task(subscriber.run())
        await eventually(lambda: heard.begun == 2)
        listening.cancel()
        await redis.aclose()


async def test_a_replica_that_stays_one_closes_them_once_in_a_while() -> None:
    async with ScriptedRedis(lambda n, w: NOT_HERE["READONLY"] if w[0] == b"SET" else subscribes(n, w)) as server:
        redis = connect(server.url, timeout=5, retries=0)
        heard = Hears()
        subscriber = Subscriber(redis, timeout=5)
        subscriber.subscribe("c", heard)
        listening = asyncio.create_task(subscriber.run())
        await eventually(lambda: heard.begun == 1)
        for _ in range(20):
            with pytest.raises(ConnectionError):
                await redis.set("k", "1")
        assert heard.begun <= 2
        # At once, and PAUSE seconds later for those refusals that came since: not for each of them.
        await eventually(lambda: heard.begun == 3)
        listening.cancel()
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
