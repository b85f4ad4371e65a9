"""Guards that only bad luck would test: each is given its bad luck here, in one process and in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from api.unsynced import Unsynced
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations import generations as generations_module
from shared.generations.generations import Generations
from shared.log.events import TERMINAL_TYPES
from shared.log.guarded_log import ClaimOutcome, Log, WriteOutcome
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.storage.clock import ServerClock
from shared.storage.keys import LEASES_KEY, PENDING_KEY, QUEUE_KEY, GenerationKeys
from shared.storage.subscriber import Subscriber
from tests.contract.accepting import accept, batch, claim, completed, delta
from worker.billing.prices import Prices
from worker.cache.log_notifier import LogNotifier
from worker.cache.lookup import AnswerCache
from worker.maintenance.settler import Settler
from worker.providers.registry import Registry
from worker.requests.kept_request import KeptRequest
from worker.running.activity import Activity
from worker.running.circuits import Circuits
from worker.running.generation_end import JobEnd
from worker.running.provider_places import ProviderPlaces
from worker.running.quarantine import Quarantine
from worker.running.running_generations import RunningGenerations
from worker.running.services import WorkerServices
from worker.writing.appender import Appender
from worker.writing.observer import Observer
from worker.writing.writer import Writer


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


@pytest.fixture
def settings() -> Settings:
    return Settings(simulator_url="http://127.0.0.1:9")


@pytest.fixture
def sync_s() -> float:
    """Seconds between two syncs of Redis' file: a tenth of the default."""
    return 0.1


@pytest.fixture
def generations(redis: Redis, settings: Settings, sync_s: float) -> Generations:
    return Generations(redis, Queue(redis, settings, Durability(settings.lease, sync_s)), settings)


@pytest.fixture
def log(redis: Redis) -> Log:
    return Log(redis)


@pytest.fixture
async def settler(generations: Generations) -> AsyncIterator[Settler]:
    """A running settler."""
    settler = Settler(generations.queue.indexes.settle, generations.durability)
    task = asyncio.create_task(settler.run())
    yield settler
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def appender(log: Log, settler: Settler) -> AsyncIterator[Appender]:
    """A running appender."""
    appender = Appender(log, max_log=1_000_000, running_ttl=60, settler=settler, observer=Observer())
    task = asyncio.create_task(appender.run())
    yield appender
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def generator(
    settings: Settings, generations: Generations, log: Log, appender: Appender
) -> AsyncIterator[RunningGenerations]:
    registry = Registry(settings.endpoints())
    circuits = Circuits(generations.redis, settings)
    cache = AnswerCache(log.redis, log, generations, LogNotifier(Subscriber(log.redis, timeout=5)), settings)
    activity, quarantine = Activity(generations.redis), Quarantine(generations)
    prices = Prices(settings)
    places = ProviderPlaces(generations.redis, settings.endpoints(), settings.lease)
    yield RunningGenerations(
        WorkerServices(
            settings, generations, log, appender, registry, circuits, activity, quarantine, cache, prices, places
        )
    )
    await registry.aclose()


async def open_writer(appender: Appender, log: Log, generations: Generations, generation_id: str) -> Writer:
    found = await generations.find(generation_id, request=True)
    assert found.record is not None
    asked = KeptRequest(generations, found.record, found.request, found.asked)
    return appender.open(generation_id, await claim(log, generation_id), restore=asked.restore, stop=lambda _: None)


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


async def test_a_worker_that_was_paused_before_its_claim_leaves_the_log_alone(
    generator: RunningGenerations, generations: Generations, log: Log
) -> None:
    generation_id = await accept(generations)
    running = await claim(log, generation_id)
    assert await generator.run(generation_id, lambda: 0.0) is JobEnd.LEFT
    assert (await log.append(batch(generation_id, running, 1, [delta("x")]))).outcome is WriteOutcome.OK


async def test_a_log_that_cannot_be_written_holds_up_no_other(
    appender: Appender, generations: Generations, log: Log, redis: Redis
) -> None:
    ids = [await accept(generations) for _ in range(3)]
    writers = [await open_writer(appender, log, generations, generation_id) for generation_id in ids]
    await redis.delete(GenerationKeys(ids[0]).log)
    await redis.set(GenerationKeys(ids[0]).log, "not a log")
    for writer in writers:  # without a wait, so that they go in one call
        writer.put(delta("a"))
    await eventually(lambda: not any(writer.behind for writer in writers[1:]))
    assert writers[0].behind


async def test_a_seal_that_a_worker_only_finds_leaves_the_generation_pending(
    generator: RunningGenerations, generations: Generations, log: Log, redis: Redis
) -> None:
    """Redis may crash without it, and then the pending index is all that remembers the generation."""
    generation_id = await accept(generations)
    await generations.cancel(generation_id)
    assert await generator.run(generation_id, lambda: time.monotonic() + 9) is JobEnd.DONE
    assert await redis.zscore(PENDING_KEY, generation_id) is not None


async def test_the_end_of_another_attempt_does_not_settle_a_generation(
    appender: Appender,
    settler: Settler,
    generations: Generations,
    log: Log,
    redis: Redis,
) -> None:
    """Redis forgot the seal, and another attempt has sealed since: that one may not be on disk either."""
    generation_id = await accept(generations)
    writer = await open_writer(appender, log, generations, generation_id)
    older = await state(redis, generation_id)
    writer.put(completed())
    await writer.caught_up()
    await roll_back(redis, generation_id, older)
    heir = await claim(log, generation_id)
    await log.append(batch(generation_id, heir, 1, [completed()]))
    appender.close(writer)
    async with asyncio.timeout(10):
        await settler.drained()
    assert await redis.zscore(PENDING_KEY, generation_id) is not None


async def test_no_cancel_is_sealed_while_redis_may_have_forgotten_who_runs_it(
    generations: Generations, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks queued may be running or complete; the flag stands, and whoever claims it next ends it."""
    generation_id = await accept(generations)

    async def just_restarted(redis: Redis) -> ServerClock:
        return ServerClock(int(time.time() * 1000), 0, "a")

    monkeypatch.setattr(generations_module, "read_server", just_restarted)
    assert await generations.cancel(generation_id) == "running"
    assert await generations.ends([generation_id]) == ["cancel"]
    assert (await claim(log, generation_id)).start is ClaimOutcome.CANCELLED


@pytest.mark.parametrize("whole", [False, True], ids=["the end is lost", "the record is lost"])
async def test_what_redis_forgot_after_the_end_is_written_again(
    appender: Appender,
    settler: Settler,
    generations: Generations,
    log: Log,
    redis: Redis,
    whole: bool,
) -> None:
    generation_id = await accept(generations)
    nothing: tuple[dict[bytes, bytes], list[Any]] = ({}, [])
    writer = await open_writer(appender, log, generations, generation_id)
    writer.put(delta("a"))
    await writer.caught_up()
    older = nothing if whole else await state(redis, generation_id)
    writer.put(delta("b"))
    writer.put(completed())
    await writer.caught_up()
    sealed = await log.read(generation_id)
    assert sealed[-1].type in TERMINAL_TYPES
    await roll_back(redis, generation_id, older)
    if whole:
        await redis.delete(GenerationKeys(generation_id).tombstone)
    appender.close(writer)
    async with asyncio.timeout(10):
        await settler.drained()
    assert await log.read(generation_id) == sealed
    record = (await generations.find(generation_id)).record
    assert record is not None
    assert (record.state, record.seal) == ("completed", sealed[-1].id)
    assert (await claim(log, generation_id)).start is ClaimOutcome.SEALED


@pytest.mark.parametrize("sync_s", [0.15])
async def test_what_redis_forgot_twice_is_written_again_twice(
    appender: Appender,
    settler: Settler,
    generations: Generations,
    log: Log,
    redis: Redis,
) -> None:
    generation_id = await accept(generations)
    writer = await open_writer(appender, log, generations, generation_id)
    older = await state(redis, generation_id)
    writer.put(completed())
    await writer.caught_up()
    sealed = await log.read(generation_id)
    appender.close(writer)
    for _ in range(2):
        await roll_back(redis, generation_id, older)
        async with asyncio.timeout(10):
            while await log.read(generation_id) != sealed:
                await asyncio.sleep(0.005)
    async with asyncio.timeout(10):
        await settler.drained()


async def test_what_redis_forgot_twice_is_accepted_again_twice(generations: Generations, redis: Redis) -> None:
    subject = Unsynced(generations)
    acceptance = Acceptance(id="gen_x", owner="me", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000)
    await generations.accept(acceptance)
    subject.remember(acceptance)
    task = asyncio.create_task(subject.run())
    for _ in range(2):
        await redis.flushall()
        async with asyncio.timeout(10):
            while (await generations.find("gen_x")).record is None:
                await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])


async def test_a_lease_that_redis_forgot_is_in_the_queue_again_once_it_is_renewed(
    generations: Generations, redis: Redis
) -> None:
    queue = generations.queue
    generation_id = await accept(generations)
    assert [job for job, _ in (await queue.take("w1", most=1)).jobs] == [generation_id]
    await redis.delete(QUEUE_KEY, LEASES_KEY)
    assert await queue.renew("w1", [generation_id]) == []
    # What is not queued, the sweeper would enqueue for a second worker while the first one runs it.
    assert [(i, queued) for i, _, queued, _ in await queue.indexes.pending(count=9, before_ms=1 << 50)] == [
        (generation_id, True)
    ]
