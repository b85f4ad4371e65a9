"""The one connection that listens: who follows a log hears of it, and is told whenever something may be missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from shared.storage.connections import connect
from shared.storage.subscriber import Subscriber
from tests.shared.storage.scripted_redis import NOT_HERE, ScriptedRedis, eventually


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


class Notes:
    """A listener that notes what it hears."""

    def __init__(self) -> None:
        self.begun = 0
        self.heard: list[bytes] = []

    def subscribed(self) -> None:
        self.begun += 1

    def published(self, message: bytes) -> None:
        self.heard.append(message)


def bulk(*words: bytes) -> bytes:
    """What a subscriber is sent."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def confirms(_: int, words: list[bytes]) -> bytes:
    """A publication comes with the confirmation of each channel."""
    if words[0] != b"SUBSCRIBE":
        return b"" if words[0] == b"UNSUBSCRIBE" else b"+OK\r\n"
    return b"".join(
        b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%b\r\n:1\r\n" % (len(name), name) + bulk(b"message", name, b"of " + name)
        for name in words[1:]
    )


@asynccontextmanager
async def listening(server: ScriptedRedis) -> AsyncIterator[Subscriber]:
    redis: Redis = connect(server.url, timeout=5)
    subscriber = Subscriber(redis, timeout=5)
    task = asyncio.create_task(subscriber.run())
    yield subscriber
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await redis.aclose()


async def test_each_hears_its_own_channel() -> None:
    async with ScriptedRedis(confirms) as server, listening(server) as subscriber:
        one, two = Notes(), Notes()
        subscriber.subscribe("one", one)
        subscriber.subscribe("two", two)
        await eventually(lambda: bool(one.heard and two.heard))
        assert (one.begun, one.heard) == (1, [b"of one"])
        assert (two.begun, two.heard) == (1, [b"of two"])
        asked = [words for words in server.commands[0] if words[0] == b"SUBSCRIBE"]
        assert len(asked) == 1, "two channels are subscribed to in one command"


async def test_after_a_break_all_are_told_that_something_may_be_missing() -> None:
    async with ScriptedRedis(confirms) as server, listening(server) as subscriber:
        one, two = Notes(), Notes()
        subscriber.subscribe("one", one)
        subscriber.subscribe("two", two)
        await eventually(lambda: one.begun == two.begun == 1)
        server.cut()
        await eventually(lambda: one.begun == two.begun == 2)
        (again,) = [words for words in server.commands[1] if words[0] == b"SUBSCRIBE"]
        assert set(again[1:]) == {b"one", b"two"}


async def test_who_leaves_hears_no_more_unless_another_has_taken_the_channel() -> None:
    async with ScriptedRedis(confirms) as server, listening(server) as subscriber:
        first, second = Notes(), Notes()
        subscriber.subscribe("c", first)
        await eventually(lambda: first.begun == 1)
        subscriber.subscribe("c", second)
        subscriber.unsubscribe("c", first)
        await eventually(lambda: second.begun == 1)
        assert not [words for words in server.commands[0] if words[0] == b"UNSUBSCRIBE"]
        subscriber.unsubscribe("c", second)
        await eventually(lambda: [b"UNSUBSCRIBE", b"c"] in server.commands[0])
        assert (first.begun, len(first.heard)) == (1, 1)
