"""What a queue's Redis of its own has lost with all who knew of it is found in the log's Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Completed
from shared.queue.queue import Queue
from shared.storage.clock import ServerClock
from shared.storage.connections import connect
from shared.storage.keys import LEASES_KEY, PENDING_KEY, QUEUE_KEY, RECOVERY_KEY, GenerationKeys
from tests.contract.accepting import accept
from tests.worker.conftest import Midstream, working
from worker.billing.prices import Prices
from worker.maintenance import recovery
from worker.maintenance.recovery import Recovery
from worker.maintenance.sweeper import Sweeper


@pytest.fixture
def settings(settings: Settings, valkey: Valkey) -> Settings:
    """Another database is to us as another server."""
    return settings.model_copy(update={"queue_url": valkey.url.replace("db=0", "db=1")})


@pytest.fixture
async def queue_redis(settings: Settings, redis: Redis) -> AsyncIterator[Redis]:
    client = connect(str(settings.queue_url), timeout=5)
    yield client
    await client.aclose()


@pytest.fixture
def queue(queue_redis: Redis, settings: Settings) -> Queue:
    return Queue(queue_redis, settings)


@pytest.fixture
def subject(generations: Generations) -> Recovery:
    return Recovery(generations)


async def queued(queue_redis: Redis) -> set[str]:
    return {generation_id.decode() for generation_id in await queue_redis.zrange(QUEUE_KEY, 0, -1)}


async def test_what_the_queue_lost_is_enqueued_for_when_nobody_takes_it_back(
    subject: Recovery, generations: Generations, queue: Queue, queue_redis: Redis
) -> None:
    lost = await accept(generations)
    await queue_redis.flushdb()
    now_ms, _ = await queue.clock()
    assert await subject.go_on("a") == 1
    assert await queued(queue_redis) == {lost}
    assert await queue_redis.zscore(QUEUE_KEY, lost) >= now_ms + queue.durability.rewritten_ms
    assert await queue_redis.hget(LEASES_KEY, lost) == b""  # type: ignore[misc]  # typed for a client that does not await
    assert await queue_redis.zscore(PENDING_KEY, lost) is not None
    assert [place.id for place in await queue.indexes.owned("local", before=None, limit=9)] == [lost]


async def test_what_has_ended_and_what_is_queued_or_leased_stays_as_it_is(
    subject: Recovery, generations: Generations, queue: Queue, queue_redis: Redis
) -> None:
    sealed, deleted = await accept(generations), await accept(generations)
    await generations.cancel(sealed)
    await generations.delete("local", deleted)
    await queue_redis.flushdb()
    leased = await accept(generations)
    await queue.take("w", most=9)
    waiting = await accept(generations)
    scores = await queue_redis.zrange(QUEUE_KEY, 0, -1, withscores=True)
    assert await subject.go_on("a") == 0
    assert await queue_redis.zrange(QUEUE_KEY, 0, -1, withscores=True) == scores
    assert await queued(queue_redis) == {leased, waiting}
    assert await queue_redis.hget(LEASES_KEY, leased) == b"w"  # type: ignore[misc]  # as above


async def test_all_are_looked_at_once_after_each_start(
    subject: Recovery, generations: Generations, queue_redis: Redis
) -> None:
    lost = await accept(generations)
    assert await subject.go_on("a") == 0
    await queue_redis.zrem(QUEUE_KEY, lost)
    assert await subject.go_on("a") == 0
    assert await subject.go_on("b") == 1
    assert await subject.go_on("b") == 0


async def test_very_many_are_looked_at_in_stretches(
    subject: Recovery, generations: Generations, queue_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "KEYS_PER_SCAN", 5)
    monkeypatch.setattr(recovery, "KEYS_PER_PASS", 10)
    lost = {await accept(generations) for _ in range(100)}
    await queue_redis.flushdb()
    passes = []
    while not (await queue_redis.get(RECOVERY_KEY) or b"").endswith(b"done"):
        passes.append(await subject.go_on("a"))
    assert await queued(queue_redis) == lost
    assert sum(passes) == 100
    assert max(passes) < 40


async def test_a_cursor_of_another_run_means_nothing(
    subject: Recovery, generations: Generations, queue_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {await accept(generations) for _ in range(30)}
    await queue_redis.flushdb()
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "KEYS_PER_SCAN", 10)
        patch.setattr(recovery, "KEYS_PER_PASS", 20)
        assert 0 < await subject.go_on("a") < 30
    await queue_redis.delete(QUEUE_KEY)
    assert await subject.go_on("b") == 30
    assert await queued(queue_redis) == lost


async def test_the_sweeper_goes_on_with_it(
    queue: Queue, generations: Generations, settings: Settings, queue_redis: Redis
) -> None:
    lost = await accept(generations)
    await queue_redis.flushdb()
    assert await Sweeper(queue, generations, settings, Prices(settings)).sweep() == 1
    assert await queued(queue_redis) == {lost}


async def test_one_redis_for_both_is_not_looked_through(
    queue: Queue, generations: Generations, settings: Settings, queue_redis: Redis
) -> None:
    together = settings.model_copy(update={"queue_url": None})
    await accept(generations)
    await queue_redis.flushdb()
    assert await Sweeper(queue, generations, together, Prices(together)).sweep() == 0
    assert not await queue_redis.exists(RECOVERY_KEY)


async def test_no_attempt_begins_while_what_the_log_lost_may_be_written_again(
    settings: Settings, midstream: Midstream, redis: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms, _ = await queue.clock()
    ups = [queue.durability.rewritten_ms - 200, queue.durability.rewritten_ms]
    begun: list[int] = []

    async def read(client: Redis) -> ServerClock:
        begun.append(await client.exists(GenerationKeys(generation_id).log))
        return ServerClock(now_ms, ups[min(len(begun), 2) - 1], "a")

    generation_id = await midstream.ask("simulator/lorem?deltas=3&rate=0")
    await redis.hset(GenerationKeys(generation_id).record, "created", str(now_ms - 60_000))  # type: ignore[misc]  # as above
    monkeypatch.setattr("worker.running.running_generations.read_server", read)
    async with working(settings):
        await midstream.ended(generation_id)
    assert begun == [0, 0]


@pytest.mark.parametrize("age_ms", [0, 2_000])
async def test_one_that_was_accepted_since_waits_for_nothing(
    settings: Settings, midstream: Midstream, redis: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch, age_ms: int
) -> None:
    now_ms, _ = await queue.clock()

    async def read(_: Redis) -> ServerClock:
        return ServerClock(now_ms, 3_000 if age_ms else 0, "a")

    generation_id = await midstream.ask("simulator/lorem?deltas=3&rate=0")
    if age_ms:
        await redis.hset(GenerationKeys(generation_id).record, "created", str(now_ms - age_ms))  # type: ignore[misc]  # as above
    monkeypatch.setattr("worker.running.running_generations.read_server", read)
    async with working(settings):
        assert isinstance((await midstream.ended(generation_id))[-1], Completed)
