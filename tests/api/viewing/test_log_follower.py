"""A follower is given bad luck, in one process and in order: losses, gaps, and a Redis that came back older."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from api.viewing import log_follower
from api.viewing.log_follower import LogFollower
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.generations import Generations
from shared.log import guarded_log
from shared.log.entry import Entry, RawEntry
from shared.log.events import ORIGIN
from shared.log.guarded_log import Batch, Log
from shared.queue.queue import Queue
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import accept, batch, claim, completed, delta


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


@pytest.fixture
def generations(redis: Redis) -> Generations:
    settings = Settings(simulator_url="http://127.0.0.1:9")
    return Generations(redis, Queue(redis, settings), settings)


@pytest.fixture
def log(redis: Redis) -> Log:
    return Log(redis)


Follow = Callable[..., LogFollower]


@pytest.fixture
async def follow(generations: Generations, log: Log) -> AsyncIterator[Follow]:
    """Make a follower run. It looks at the log again only after an hour: what it misses, it misses."""
    tasks = []

    def start(generation_id: str, *, check: float = 3600.0) -> LogFollower:
        follower = LogFollower(generation_id, log, generations, check=check)
        tasks.append(asyncio.create_task(follower.run()))
        return follower

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def state(redis: Any, generation_id: str) -> tuple[dict[bytes, bytes], list[Any]]:
    keys = GenerationKeys(generation_id)
    return await redis.hgetall(keys.record), await redis.xrange(keys.log)


async def roll_back(redis: Any, generation_id: str, older: tuple[dict[bytes, bytes], list[Any]]) -> None:
    keys = GenerationKeys(generation_id)
    await redis.delete(keys.record, keys.log)
    if older[0]:
        await redis.hset(keys.record, mapping=older[0])
    for entry_id, fields in older[1]:
        await redis.xadd(keys.log, fields, id=entry_id)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def publication(written: Batch) -> bytes:
    """What its write publishes."""
    header = f"{written.previous} {written.token}-{written.first}".encode()
    return b"\n".join([header, *(part for type, data in written.events for part in (type.encode(), data))])


async def test_the_log_is_read_only_once_what_follows_would_be_heard(
    follow: Follow, generations: Generations, log: Log, redis: Redis
) -> None:
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    follower = follow(generation_id)
    for _ in range(20):
        await asyncio.sleep(0.005)
    # Nobody hears this: the subscription does not stand yet.
    await log.append(batch(generation_id, running, 1, [delta("a"), completed()]))
    follower.subscribed()
    await eventually(lambda: follower.known.state is not None or follower.known.gone)
    assert (follower.known.state, follower.known.count) == ("completed", 3)


async def test_an_answer_that_is_published_whole_before_the_first_read_is_read_too(
    follow: Follow, generations: Generations, log: Log
) -> None:
    generation_id = await accept(generations)
    follower = follow(generation_id)
    running = await claim(log, generation_id)
    rest = batch(generation_id, running, 1, [delta("a"), completed()])
    await log.append(rest)
    # All in one go, as one read of the subscriber's connection may bring it: `run` has no turn in between.
    follower.subscribed()
    begun = Batch(generation_id, running.token, running.number, ORIGIN, 0, [("attempt", running.first)])
    follower.published(publication(begun))
    follower.published(publication(rest))
    assert (follower.known.state, follower.known.count) == ("completed", 3)
    await eventually(lambda: follower.known.loaded)
    assert (follower.known.state, follower.known.count) == ("completed", 3)


async def test_a_publication_between_two_reads_is_kept(follow: Follow, generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: follower.known.loaded)
    lost = batch(generation_id, running, 1, [delta("a")])
    heard = batch(generation_id, running, 2, [delta("b"), completed()])
    await log.append(lost)
    await log.append(heard)
    follower.published(publication(heard))
    await eventually(lambda: follower.known.state is not None)
    assert follower.known.count == 4


async def test_another_way_of_the_log_is_seen_although_nothing_was_heard(
    follow: Follow, generations: Generations, log: Log, redis: Redis
) -> None:
    generation_id = await accept(generations)
    first = await claim(log, generation_id)
    older = await state(redis, generation_id)
    await log.append(batch(generation_id, first, 1, [delta("a"), delta("b")]))
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: follower.known.count == 3)
    await roll_back(redis, generation_id, older)
    second = await claim(log, generation_id)
    await log.append(batch(generation_id, second, 1, [delta("c"), completed()]))
    follower.subscribed()
    await eventually(lambda: follower.known.state is not None)
    assert follower.known.count == len(await log.read(generation_id)) == 4


async def test_the_time_to_write_it_again_counts_only_while_redis_answers(
    follow: Follow, generations: Generations, log: Log, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back without the generation, goes once more, and only then its worker can write."""
    generations.durability = Durability(15.0, sync_s=0.1)
    generation_id = await accept(generations)
    await claim(log, generation_id)
    older = await state(redis, generation_id)
    follower = follow(generation_id, check=0.05)
    follower.subscribed()
    await eventually(lambda: follower.known.count == 1)
    await roll_back(redis, generation_id, ({}, []))
    await redis.delete(GenerationKeys(generation_id).tombstone)
    await eventually(lambda: follower._restoration.look_again_after is not None)
    read, tries = log.read_raw, 0

    async def away(*_: Any, **__: Any) -> Any:
        nonlocal tries
        tries += 1
        raise ConnectionError("away")

    monkeypatch.setattr(log, "read_raw", away)
    began = time.monotonic()
    await eventually(lambda: tries > 1 and time.monotonic() - began > 2 * generations.durability.given_up_s)
    answered = 0

    async def back(*arguments: Any, **options: Any) -> Any:
        nonlocal answered
        found = await read(*arguments, **options)
        answered += 1
        return found

    monkeypatch.setattr(log, "read_raw", back)
    await eventually(lambda: answered > 1)  # it has been looked at once that it is still not there
    assert not follower.known.gone
    await roll_back(redis, generation_id, older)
    await eventually(lambda: follower._restoration.look_again_after is None)
    assert not follower.known.gone


async def test_deltas_are_heard_alone_and_together(follow: Follow, generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: follower.known.loaded)
    follower.published(publication(batch(generation_id, running, 1, [delta("a")])))
    follower.published(publication(batch(generation_id, running, 2, [delta("b"), delta("c")])))
    assert follower.known.count == 4
    # Heard again, whole or in part, it is not taken again.
    follower.published(publication(batch(generation_id, running, 2, [delta("b"), delta("c")])))
    follower.published(publication(batch(generation_id, running, 3, [delta("c"), delta("d")])))
    assert follower.known.count == 5


async def test_what_is_unreadable_is_read_from_the_log(
    follow: Follow, generations: Generations, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: follower.known.loaded)
    await log.append(batch(generation_id, running, 1, [delta("a")]))
    follower.published(b"?")
    await eventually(lambda: follower.known.count == 2)
    assert "unreadable publication" in caplog.text


class Channel:
    """Gives a follower what its log publishes, when the test says so."""

    def __init__(self, redis: Redis, generation_id: str) -> None:
        self.redis, self.name = redis, GenerationKeys(generation_id).channel

    async def __aenter__(self) -> Channel:
        self._heard = self.redis.pubsub(ignore_subscribe_messages=True)
        await self._heard.subscribe(self.name)
        assert await self._heard.get_message(timeout=5) is None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._heard.aclose()  # type: ignore[no-untyped-call]

    async def next(self) -> bytes:
        message: bytes = (await self._heard.get_message(timeout=5))["data"]
        return message


@pytest.mark.parametrize("page_bytes", [guarded_log.PAGE_BYTES, 100_000])
async def test_what_is_published_by_its_id_alone_is_read_from_the_log_once(
    follow: Follow,
    generations: Generations,
    log: Log,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    page_bytes: int,
) -> None:
    monkeypatch.setattr(guarded_log, "PAGE_BYTES", page_bytes)
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    async with Channel(redis, generation_id) as channel:
        follower = follow(generation_id)
        follower.subscribed()
        await eventually(lambda: follower.known.loaded)
        seen = Seen()
        follower.known.listen(seen)
        for first, events in (
            (1, [delta("a")]),
            (2, [delta("b"), delta("c" * 1_100_000)]),
            (4, [delta("d" * 1_100_000)]),
            (5, [delta("e")]),
        ):
            await log.append(batch(generation_id, running, first, events))
        messages = [await channel.next() for _ in range(4)]
        # Heard one by one, and all of them again: nothing is missed, nothing taken twice, and no gap is an event.
        for message in messages[:2]:
            follower.published(message)
        await eventually(lambda: follower.known.count == 6)
        for message in messages:
            follower.published(message)
        await log.append(batch(generation_id, running, 6, [delta("f" * 1_100_000), completed()]))
        follower.published(await channel.next())
        await eventually(lambda: follower.known.state is not None)
    assert seen.entries == (await log.read(generation_id))[1:]


async def test_what_is_published_by_its_id_alone_while_the_log_is_read_is_read_too(
    follow: Follow, generations: Generations, log: Log, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the read that is under way has it already or not."""
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    read, reads, go_on = log.read_raw, 0, asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        nonlocal reads
        found = await read(*arguments, **options)
        reads += 1
        await go_on.wait()
        return found

    monkeypatch.setattr(log, "read_raw", slow)
    async with Channel(redis, generation_id) as channel:
        await log.append(batch(generation_id, running, 1, [delta("a" * 1_100_000)]))
        follower = follow(generation_id)
        seen = Seen()
        follower.known.listen(seen)
        follower.subscribed()
        await eventually(lambda: reads == 1)
        await log.append(batch(generation_id, running, 2, [delta("b" * 1_100_000)]))
        await log.append(batch(generation_id, running, 3, [delta("c"), completed()]))
        for _ in range(3):
            follower.published(await channel.next())
        go_on.set()
        await eventually(lambda: follower.known.state is not None)
    assert seen.entries == await log.read(generation_id)


class Seen:
    """Keeps what a listener of a log gets."""

    watched = False

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: RawEntry, /) -> None:
        self.entries.append(Entry.read(entry))

    def reset(self, same: int, /) -> None:
        self.entries.clear()

    def queued(self, position: int | None, /) -> None:
        pass

    def changed(self) -> None:
        pass


async def test_what_comes_while_the_log_is_read_follows_it(
    follow: Follow, generations: Generations, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much: what is too much to be kept is read once more."""
    monkeypatch.setattr(log_follower, "MAX_EARLY_PUBLICATIONS", 2)
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    read, reads, go_on = log.read_raw, 0, asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        nonlocal reads
        found = await read(*arguments, **options)
        reads += 1
        await go_on.wait()
        return found

    monkeypatch.setattr(log, "read_raw", slow)
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: reads == 1)
    for number in range(1, 5):
        written = batch(generation_id, running, number, [delta("a")])
        await log.append(written)
        follower.published(publication(written))
    assert follower.known.count == 0
    go_on.set()
    await eventually(lambda: follower.known.count == 5)
    assert reads == 2


async def test_a_deleted_generation_is_gone(follow: Follow, generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    await claim(log, generation_id)
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: follower.known.loaded)
    follower.published(b"deleted")
    assert follower.known.gone
    assert follower.known.ended


async def test_a_follower_that_fails_ends_what_it_follows(
    follow: Follow,
    generations: Generations,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its viewers reconnect; without an end they would wait for ever."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    generation_id = await accept(generations)
    monkeypatch.setattr(log, "read_raw", fail)
    follower = follow(generation_id)
    follower.subscribed()
    await eventually(lambda: follower.known.gone)
    assert "its viewers are ended" in caplog.text
