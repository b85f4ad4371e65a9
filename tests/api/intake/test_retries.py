"""Who asks, as a route sees it: a first try waits for nothing, and no error of Redis reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from api.intake import retries as module
from api.intake.retries import Asker, Retries, read_count
from shared.config.settings import Settings
from shared.generations.askers import Askers
from shared.generations.generations import Generations
from shared.queue.queue import Queue
from tests.api.harness import Api, MakeApi, until
from tests.contract.accepting import accept


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


@pytest.fixture
def generations(redis: Redis) -> Generations:
    settings = Settings()
    return Generations(redis, Queue(redis, settings), settings)


async def begin(retries: Retries, count: str | None = None, *, body: bytes = b"{}") -> Asker:
    return await retries.begin("local", "openai-chat", body, "c", count)


@contextmanager
def redis_away(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[None]:
    async def fails(*_: object) -> Any:
        raise ConnectionError

    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(Askers, name, fails)
        yield


async def states(redis: Redis) -> list[str]:
    found: list[str] = []
    for key in await redis.keys("midstream:askers:*"):
        found += [text.split()[2].decode() for text in await redis.hvals(key)]  # type: ignore[misc]
    return found


@pytest.mark.parametrize(
    ("header", "count"),
    [(None, 0), ("0", 0), ("1", 1), ("12", 12), ("", 0), ("-1", 0), ("1.5", 0), ("one", 0), ("9999", 0), ("²", 0)],
)
def test_a_count_is_a_small_number(header: str | None, count: int) -> None:
    assert read_count(header) == count


async def test_a_first_try_asks_redis_for_nothing_before_it_is_accepted(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = Retries(generations)
    await generations.secret()
    monkeypatch.setattr(generations.redis, "execute_command", None)
    assert (await begin(retries)).joined is None


async def test_the_first_end_that_is_said_counts(redis: Redis, generations: Generations) -> None:
    retries = Retries(generations)
    async with retries.running():
        for ends in (("answered", "broke"), ("broke", "answered"), ("broke", "broke")):
            await redis.flushall()
            asker = await begin(retries)
            await asker.accepted(await accept(generations))
            assert await states(redis) == ["connected"]
            for end in ends:
                getattr(asker, end)()
            await retries.notes.kept()
            assert await states(redis) == ["answered" if ends[0] == "answered" else "broken"]


async def test_a_connection_that_ended_before_it_was_accepted_is_broken(redis: Redis, generations: Generations) -> None:
    retries = Retries(generations)
    async with retries.running():
        asker = await begin(retries)
        asker.broke()
        generation_id = await accept(generations)
        await asker.accepted(generation_id)
        assert (await begin(retries, "1")).joined == generation_id


async def test_what_redis_did_not_take_is_noted_later_with_its_end(
    redis: Redis, generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = Retries(generations)
    with redis_away(monkeypatch, "note"):
        asker = await begin(retries)
        generation_id = await accept(generations)
        await asker.accepted(generation_id)
    assert await states(redis) == []
    async with retries.running():
        await retries.notes.kept()
        assert await states(redis) == ["connected"]
        asker.broke()
        await retries.notes.kept()
        assert (await begin(retries, "1")).joined == generation_id


@pytest.mark.parametrize("command", ["waiting", "join", "digest"])
async def test_where_redis_cannot_say_a_retry_is_a_new_request(
    redis: Redis, generations: Generations, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    retries = Retries(generations)
    async with retries.running():
        asker = await begin(retries)
        generation_id = await accept(generations)
        await asker.accepted(generation_id)
        asker.broke()
        await retries.notes.kept()
        with redis_away(monkeypatch, command):
            retry = await begin(retries, "1")
            assert retry.joined is None
            await retry.accepted(await accept(generations))
            retry.answered()
        await retries.notes.kept()
        assert await states(redis) == ["broken"], "nothing is left of the retry"
        assert (await begin(retries, "1")).joined == generation_id


async def test_a_redis_that_does_not_answer_holds_nobody_up(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def frozen(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.01)
    monkeypatch.setattr(Askers, "note", frozen)
    retries = Retries(generations)
    asker = await begin(retries)
    async with asyncio.timeout(5):
        await asker.accepted(await accept(generations))
    monkeypatch.setattr(Askers, "digest", frozen)
    async with asyncio.timeout(5):
        asker = await begin(retries)
        await asker.accepted(await accept(generations))
        asker.broke()


async def test_a_node_that_ends_notes_what_broke_and_says_that_it_is_gone(generations: Generations) -> None:
    leaving, staying = Retries(generations), Retries(generations)
    async with staying.running():
        async with leaving.running():
            broken = await begin(leaving)
            first = await accept(generations)
            await broken.accepted(first)
            broken.broke()
        assert await states(generations.redis) == ["broken"]
        assert (await begin(staying, "1")).joined == first
    async with asyncio.timeout(2):  # less than a beat counts
        while await generations.redis.keys("midstream:api:*"):
            await asyncio.sleep(0.01)


async def test_an_asker_of_a_node_that_was_killed_is_joined(make_api: MakeApi, redis_url: str) -> None:
    """In real time: its last beat counts for some seconds, and the other node knows that Redis was there."""
    api: Api = await make_api(redis_url)
    staying: Retries = api.app.state.services.askers
    killed = Retries(api.generations)
    await until(lambda: staying.heartbeat.steady, "a node that knows the dead")
    await killed.heartbeat.beat()
    asker = await begin(killed)
    generation_id = await api.post()
    await asker.accepted(generation_id)
    for count in range(1, 10):  # more than one where the machine stood still, so that it is not sure
        if (retry := await begin(staying, str(count))).joined:
            break
    assert retry.joined == generation_id
