"""A generation that is copied: its log as it grows, from where its answer begins, or that it comes to none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import ORIGIN, Completed, Event, EventId, Part
from shared.log.guarded_log import Claim, Log
from shared.queue.queue import Queue
from shared.storage.subscriber import Subscriber
from tests.contract.accepting import accept, batch, claim, completed, delta
from worker.cache.log_notifier import LogNotifier
from worker.cache.source import Beginning, Source, SourceLostError

TEXT = Part(part=0, kind="text")
SECONDS = 5.0


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client: Redis = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


class Copied:
    """A generation, and the source that reads it."""

    def __init__(self, redis: Redis) -> None:
        settings = Settings()
        self.log = Log(redis)
        self.generations = Generations(redis, Queue(redis, settings), settings)
        self.news = LogNotifier(Subscriber(redis, timeout=5))

    async def accept(self) -> None:
        self.id = await accept(self.generations)
        self.source = Source(self.id, "local", self.log, self.generations, self.news)
        self.source.quiet_s, self.source.in_line_s = 0.01, 0.03

    async def begin(self) -> Claim:
        """Taken from the queue, and claimed."""
        await self.generations.queue.take("w", most=10)
        self.at = await claim(self.log, self.id)
        self.count = 1
        return self.at

    async def write(self, *events: Event) -> None:
        await self.log.append(batch(self.id, self.at, self.count, events))
        self.count += len(events)

    async def types(self, after: EventId = ORIGIN) -> list[str]:
        async with asyncio.timeout(SECONDS), aclosing(self.source.pages(after)) as pages:
            return [entry.type async for page in pages for entry in page]

    async def beginning(self, *, seconds: float = SECONDS, will_do: Any = lambda _: True) -> Beginning:
        return await self.source.beginning(idle=seconds, seconds=seconds, will_do=will_do)


@pytest.fixture
async def copied(redis: Redis) -> Copied:
    copied = Copied(redis)
    await copied.accept()
    return copied


async def test_the_log_is_read_up_to_its_end(copied: Copied) -> None:
    at = await copied.begin()
    await copied.write(TEXT, delta("a"), delta("b"), completed())
    assert await copied.types() == ["attempt", "part", "delta", "delta", "completed"]
    assert await copied.types(EventId(at.token, 2)) == ["delta", "completed"]


async def test_it_is_followed_while_it_grows(copied: Copied) -> None:
    await copied.begin()
    following = asyncio.create_task(copied.types())
    for text in "abc":
        await asyncio.sleep(0.005)
        await copied.write(delta(text))
    await copied.write(completed())
    assert await following == ["attempt", "delta", "delta", "delta", "completed"]


async def test_what_waits_in_line_is_not_waited_for(copied: Copied) -> None:
    # Who waits may hold the very place that it needs.
    with pytest.raises(SourceLostError):
        await copied.types()


async def test_what_a_worker_has_taken_is(copied: Copied) -> None:
    await copied.generations.queue.take("w", most=10)
    following = asyncio.create_task(copied.types())
    await asyncio.sleep(0.08)
    assert not following.done()
    await copied.begin()
    await copied.write(completed())
    assert await following == ["attempt", "completed"]


async def test_what_is_deleted_is_lost(copied: Copied) -> None:
    await copied.begin()
    following = asyncio.create_task(copied.types())
    await asyncio.sleep(0.02)
    await copied.generations.delete("local", copied.id)
    with pytest.raises(SourceLostError):
        await following


async def test_a_redis_that_is_away_is_waited_for(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    await copied.begin()
    await copied.write(completed())
    read, failures = copied.log.read, iter(range(2))

    async def fails_twice(*args: Any, **options: Any) -> Any:
        if next(failures, None) is not None:
            raise ConnectionError
        return await read(*args, **options)

    monkeypatch.setattr(copied.log, "read", fails_twice)
    assert await copied.types() == ["attempt", "completed"]


async def test_an_answer_begins_once_some_of_it_is_there(copied: Copied) -> None:
    at = await copied.begin()
    with pytest.raises(SourceLostError):
        await copied.beginning(seconds=0.05)
    await copied.write(TEXT)
    with pytest.raises(SourceLostError):
        await copied.beginning(seconds=0.05)
    await copied.write(delta("a"))
    assert await copied.beginning() == Beginning(EventId(at.token, 0), "p", "m")


async def test_it_begins_with_the_attempt_whose_text_stands(copied: Copied) -> None:
    await copied.begin()
    await copied.write(TEXT, delta("dropped"))
    again = await copied.begin()
    await copied.write(TEXT, delta("kept"))
    assert (await copied.beginning()).at == EventId(again.token, 0)
    on = await copied.log.claim(copied.id, model="n", provider="q", ttl_ms=60_000, continues=True)
    await copied.log.append(batch(copied.id, on, 1, [delta("and on"), completed()]))
    assert await copied.beginning() == Beginning(EventId(again.token, 0), "p", "m")


async def test_an_end_that_will_not_do_is_none(copied: Copied) -> None:
    await copied.begin()
    await copied.write(TEXT, delta("a"), completed())
    assert await copied.beginning(will_do=lambda end: end.finish_reason == "stop")
    with pytest.raises(SourceLostError):
        await copied.beginning(will_do=lambda end: end.finish_reason == "length")


async def test_an_answer_of_no_words_is_one(copied: Copied) -> None:
    at = await copied.begin()
    await copied.write(Completed(finish_reason="stop"))
    assert (await copied.beginning()).at == EventId(at.token, 0)


@pytest.mark.parametrize(
    ("owner", "ttl", "found"), [("local", 60.0, True), ("somebody", 60.0, False), ("local", 0.0, False)]
)
async def test_its_record_is_its_owners_for_as_long_as_who_asks_says(
    copied: Copied, owner: str, ttl: float, found: bool
) -> None:
    await copied.begin()
    await copied.write(completed())
    source = Source(copied.id, owner, copied.log, copied.generations, copied.news)
    if found:
        assert (await source.record(ttl)).id == copied.id
    else:
        with pytest.raises(SourceLostError):
            await source.record(ttl)


async def test_what_is_to_be_cancelled_will_not_do(copied: Copied) -> None:
    await copied.begin()
    assert (await copied.source.record(60)).state == "running"
    await copied.generations.cancel(copied.id)
    with pytest.raises(SourceLostError):
        await copied.source.record(60)


async def test_a_copy_is_not_copied_but_the_answer_that_follows_it(copied: Copied) -> None:
    await copied.generations.queue.take("w", most=10)
    copied.at = await copied.log.claim(copied.id, model="m", provider="p", ttl_ms=60_000, cached=True)
    copied.count = 1
    await copied.write(TEXT, delta("copied"))
    with pytest.raises(SourceLostError):
        await copied.beginning(seconds=0.05)
    own = await copied.begin()
    await copied.write(TEXT, delta("its own"), completed())
    assert await copied.beginning() == Beginning(EventId(own.token, 0), "p", "m")
