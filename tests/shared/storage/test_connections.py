"""Clients: every command ends in a reply or an error, and what Redis refuses stays in its own words."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError, TimeoutError

from shared.config.settings import Settings
from shared.storage.connection_pool import BoundedPool
from shared.storage.connections import connect, connect_both
from shared.storage.outage import refusal
from shared.storage.redis_connection import ManagedTcp, ManagedTls, Tcp, Tls, Unix
from tests.shared.storage.scripted_redis import ScriptedRedis


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


async def test_a_redis_that_says_nothing_is_asked_so_often_and_given_up() -> None:
    async with ScriptedRedis(lambda *_: b"") as server:
        redis = connect(server.url, timeout=0.05, retries=2)
        with pytest.raises(TimeoutError):
            await redis.set("k", "1")
        assert [words for words in server.commands if words] == [[[b"SET", b"k", b"1"]]] * 3
        await redis.aclose()


async def test_a_broken_connection_is_replaced_and_the_command_sent_again() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        redis = connect(server.url, timeout=5)
        await redis.set("k", "1")
        server.cut()
        await redis.set("k", "2")
        assert server.commands == [[[b"SET", b"k", b"1"]], [[b"SET", b"k", b"2"]]]
        await redis.aclose()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1:9/0", Tcp),
        ("rediss://127.0.0.1:9/0", Tls),
        ("unix:///none.sock", Unix),
        ("redis+sentinel://127.0.0.1:9/m", ManagedTcp),
        ("rediss+sentinel://127.0.0.1:9/m", ManagedTls),
    ],
)
async def test_each_kind_of_address_has_its_kind_of_connection(url: str, kind: type) -> None:
    redis = connect(url, timeout=5, connections=3)
    pool = redis.connection_pool
    assert isinstance(pool, BoundedPool)
    assert pool.connection_class is kind
    assert pool.max_connections == 3
    await redis.aclose()


async def test_logs_and_queue_share_a_client_unless_their_redis_is_another() -> None:
    one = Settings(redis_url="redis://127.0.0.1:9/0")
    redis, queue_redis = connect_both(one)
    assert redis is queue_redis
    two = one.model_copy(update={"queue_url": "redis://127.0.0.1:9/1"})
    redis, queue_redis = connect_both(two)
    assert redis is not queue_redis
    assert queue_redis.connection_pool.connection_kwargs["db"] == 1
    for client in (redis, queue_redis):
        await client.aclose()


async def test_who_measures_hears_of_each_command_and_of_each_group_once() -> None:
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as server:
        took: list[tuple[float, str]] = []
        redis, queue = connect_both(Settings(redis_url=server.url), lambda *call: took.append(call))
        assert queue is redis
        await redis.set("k", "1")
        begun = len(took)
        for _ in range(3):
            await redis.set("k", "1")
        assert len(took) == begun + 3
        async with redis.pipeline(transaction=False) as pipe:
            for _ in range(5):
                pipe.set("k", "1")
            assert await pipe.execute() == [True] * 5
        assert len(took) == begun + 4
        assert {name for _, name in took} == {"logs"}
        assert all(0 <= seconds < 5 for seconds, _ in took)
        await redis.aclose()


async def test_a_queue_of_its_own_is_measured_apart() -> None:
    took: list[str] = []
    async with ScriptedRedis(lambda *_: b"+OK\r\n") as logs, ScriptedRedis(lambda *_: b"+OK\r\n") as other:
        settings = Settings(redis_url=logs.url, queue_url=other.url)
        redis, queue = connect_both(settings, lambda _, name: took.append(name))
        await redis.set("k", "1")
        assert set(took) == {"logs"}
        took.clear()
        await queue.set("k", "1")
        assert set(took) == {"queue"}
        for client in (redis, queue):
            await client.aclose()
