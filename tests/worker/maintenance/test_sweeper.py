"""What a crash leaves between the writes of accepting is finished or removed."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Existence, Generations
from shared.log.guarded_log import Log
from shared.queue.indexes import Pending
from shared.queue.queue import Queue
from shared.storage.clock import ServerClock
from shared.storage.keys import (
    LEASES_KEY,
    LINE_OWNERS_KEY,
    LINES_KEY,
    PENDING_KEY,
    QUEUE_KEY,
    GenerationKeys,
    line_key,
)
from tests.contract.accepting import accept
from tests.contract.line_index import flaws
from tests.worker.conftest import Midstream, working
from worker.billing.prices import Prices
from worker.maintenance.sweeper import HALF_ACCEPTED_MS, Sweeper

LONG_AGO = 10 * HALF_ACCEPTED_MS


@pytest.fixture
async def sweeper(queue: Queue, generations: Generations, settings: Settings) -> Sweeper:
    return Sweeper(queue, generations, settings, Prices(settings))


async def long_up(_: Redis) -> ServerClock:
    return ServerClock(0, LONG_AGO, "a")


async def age(redis: Redis, generation_id: str, ms: int) -> None:
    await redis.zincrby(PENDING_KEY, -ms, generation_id)


async def test_announced_but_never_recorded(
    sweeper: Sweeper, queue: Queue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.maintenance.sweeper.read_server", long_up)
    await queue.indexes.announce("gen_a", "local", most=9)
    await age(redis, "gen_a", HALF_ACCEPTED_MS // 2)
    assert await sweeper.sweep() == 0
    assert await redis.zcard(PENDING_KEY) == 1
    await age(redis, "gen_a", LONG_AGO)
    assert await sweeper.sweep() == 0
    assert await redis.zcard(PENDING_KEY) == 0


async def test_recorded_but_never_enqueued(sweeper: Sweeper, generations: Generations, redis: Redis) -> None:
    generation_id = await accept(generations)
    await redis.delete(QUEUE_KEY)
    assert await sweeper.sweep() == 0, "it may be in the middle of being accepted"
    await age(redis, generation_id, LONG_AGO)
    assert await sweeper.sweep() == 1
    assert await redis.zscore(QUEUE_KEY, generation_id) is not None
    assert await sweeper.sweep() == 0


async def test_sealed_is_settled_and_leased_is_left(
    sweeper: Sweeper, generations: Generations, queue: Queue, redis: Any
) -> None:
    sealed, leased = await accept(generations), await accept(generations)
    await queue.take("w", most=9)
    await generations.cancel(sealed)
    await queue.finish("w", sealed, "done")
    for generation_id in (sealed, leased):
        await age(redis, generation_id, LONG_AGO)
    assert await sweeper.sweep() == 0
    assert set(await redis.zrange(PENDING_KEY, 0, -1)) == {leased.encode(), sealed.encode()}, (
        "it may not be on disk yet"
    )
    await redis.hincrby(GenerationKeys(sealed).record, "ended", -generations.durability.synced_ms)
    assert await sweeper.sweep() == 0
    assert await redis.zrange(PENDING_KEY, 0, -1) == [leased.encode()]
    assert await redis.hget(LEASES_KEY, leased) == b"w"


async def test_what_a_worker_may_take_back_is_nobody_elses_meanwhile(
    sweeper: Sweeper, generations: Generations, queue: Queue, redis: Any
) -> None:
    generation_id = await accept(generations)
    await redis.delete(QUEUE_KEY)
    await age(redis, generation_id, LONG_AGO)
    now_ms, _ = await queue.clock()
    assert await sweeper.sweep() == 1
    assert await redis.zscore(QUEUE_KEY, generation_id) >= now_ms + queue.durability.restored_ms
    assert (await queue.take("w", most=9)).jobs == []


async def test_each_pass_pages_by_age_and_reads_none_twice(
    sweeper: Sweeper, generations: Generations, queue: Queue, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offset costs Redis as many steps as it is long, so only what is of one ms is counted."""
    monkeypatch.setattr("worker.maintenance.sweeper.PENDING_PAGE", 3)
    ids = [await accept(generations) for _ in range(12)]
    await redis.delete(QUEUE_KEY)
    ages = [9, 8, 7, 5, 5, 5, 5, 5, 5, 3, 2, 1]
    await redis.zadd(PENDING_KEY, {i: LONG_AGO - age for i, age in zip(ids, ages, strict=True)})
    for at in (1, 4, 11):
        await generations.cancel(ids[at])
        await redis.hincrby(GenerationKeys(ids[at]).record, "ended", -generations.durability.synced_ms)
    read, pages, pending = set(), [], queue.indexes.pending

    async def noted(**asked: Any) -> list[Pending]:
        page = await pending(**asked)
        pages.append(asked["offset"])
        for entry in page:
            assert entry.id not in read
            read.add(entry.id)
        return page

    monkeypatch.setattr(queue.indexes, "pending", noted)
    assert await sweeper.sweep() == 9
    assert read == set(ids)
    assert max(pages) <= 6
    assert await redis.zcard(PENDING_KEY) == await redis.zcard(QUEUE_KEY) == 9


async def test_what_an_earlier_api_has_enqueued_comes_into_its_owners_line(
    sweeper: Sweeper, generations: Generations, redis: Any
) -> None:
    generation_id = await accept(generations, owner="me")
    await redis.delete(LINE_OWNERS_KEY, LINES_KEY, line_key("me"))
    await age(redis, generation_id, LONG_AGO)
    assert await sweeper.sweep() == 0
    assert await redis.hget(LINE_OWNERS_KEY, generation_id) == b"me"
    assert await flaws(redis) == []


async def test_a_long_wait_does_not_expire_the_record(
    sweeper: Sweeper, generations: Generations, settings: Settings, redis: Redis
) -> None:
    generation_id = await accept(generations)
    await redis.pexpire(GenerationKeys(generation_id).record, 60_000)
    await age(redis, generation_id, int(settings.running_ttl * 600))
    await sweeper.sweep()
    assert await redis.pttl(GenerationKeys(generation_id).record) > 60_000
    assert (await generations.find(generation_id)).existence is Existence.RECORD


async def test_the_worker_sweeps(settings: Settings, midstream: Midstream, redis: Redis, log: Log) -> None:
    generation_id = await midstream.ask("simulator/lorem?deltas=2&rate=0")
    await redis.delete(QUEUE_KEY)
    await age(redis, generation_id, LONG_AGO)
    async with working(settings):
        assert (await midstream.ended(generation_id, 10))[-1].type == "completed"


async def test_what_has_expired_leaves_its_owners_list_without_anybody_reading_it(
    sweeper: Sweeper, generations: Generations, queue: Queue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stretch at each pass, one owner after the other; what is being accepted stays."""
    monkeypatch.setattr("worker.maintenance.sweeper.INDEX_ENTRIES_PER_PASS", 2)
    kept = {owner: [await accept(generations, owner=owner) for _ in range(2)] for owner in ("a", "b")}
    gone = [await accept(generations, owner=owner) for owner in ("a", "b") for _ in range(3)]
    await queue.indexes.settle(gone)
    await redis.delete(*(GenerationKeys(generation_id).record for generation_id in gone))
    await queue.indexes.announce("gen_new", "b", most=99)
    for _ in range(8):
        await sweeper.sweep()
    left = {
        owner: {place.id for place in await queue.indexes.owned(owner, before=None, limit=99)} for owner in ("a", "b")
    }
    assert left == {"a": {*kept["a"]}, "b": {*kept["b"], "gen_new"}}


async def test_what_was_announced_before_the_clock_was_set_back_is_swept(
    sweeper: Sweeper, generations: Generations, redis: Redis
) -> None:
    generation_id = await accept(generations)
    await redis.delete(QUEUE_KEY)
    await age(redis, generation_id, -600_000)
    assert await sweeper.sweep() == 1
    assert await redis.zscore(QUEUE_KEY, generation_id) is not None


async def test_what_a_record_is_missing_of_counts_only_while_its_redis_is_there(
    sweeper: Sweeper, queue: Queue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API that accepted it is about to write the record again."""
    up_ms = HALF_ACCEPTED_MS // 2

    async def clock(_: Redis) -> ServerClock:
        return ServerClock(0, up_ms, "a")

    monkeypatch.setattr("worker.maintenance.sweeper.read_server", clock)
    await queue.indexes.announce("gen_a", "local", most=9)
    await age(redis, "gen_a", LONG_AGO)
    await sweeper.sweep()
    assert await redis.zcard(PENDING_KEY) == 1
    up_ms = LONG_AGO
    await sweeper.sweep()
    assert await redis.zcard(PENDING_KEY) == 0


async def test_a_log_that_has_just_restarted_is_not_swept(
    sweeper: Sweeper, generations: Generations, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def just_restarted(_: Redis) -> ServerClock:
        return ServerClock(0, 0, "a")

    monkeypatch.setattr("worker.maintenance.sweeper.read_server", just_restarted)
    generation_id = await accept(generations)
    await redis.delete(QUEUE_KEY)
    await age(redis, generation_id, LONG_AGO)
    assert await sweeper.sweep() == 0
