"""An earlier version beside this one: it changes the queue alone, and nothing is lost or run twice."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.settings import Settings
from shared.queue.queue import Queue
from shared.storage.keys import (
    FINISHED_KEY,
    LEASED_KEY,
    LEASES_KEY,
    LINE_OWNERS_KEY,
    LINES_KEY,
    QUEUE_KEY,
    TIME_KEY,
    line_key,
    running_key,
)
from tests.contract.line_index import EarlierVersion, flaws

LEASE_MS = 30_000


@pytest.fixture
def queue(redis: Any) -> Queue:
    return Queue(redis, Settings(lease=LEASE_MS / 1000))


@pytest.fixture
def earlier(redis: Any) -> EarlierVersion:
    return EarlierVersion(redis, LEASE_MS)


async def taken(queue: Queue, most: int = 99) -> list[str]:
    return [job for job, _ in (await queue.take("w", most=most)).jobs]


async def test_what_an_earlier_api_has_enqueued_is_nobodys_and_taken_at_once(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    for at in range(600):
        await queue.enqueue(f"a{at:03}", owner="a")
    await earlier.enqueue("old")
    assert await queue.position("old") == 1
    assert "old" in await taken(queue, 2)
    assert await redis.hget(LINE_OWNERS_KEY, "old") == b""
    assert await flaws(redis) == []


async def test_a_queue_of_an_earlier_version_is_taken_whole_and_in_its_order(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    jobs = [f"old{at:04}" for at in range(1200)]
    now_ms = (await queue.clock())[0]
    await redis.zadd(QUEUE_KEY, {job: now_ms - 5000 + at for at, job in enumerate(jobs)})
    assert await earlier.take("v") == jobs[0]
    got = []
    while page := await taken(queue, 50):
        got += page
    assert sorted(got) == jobs[1:]
    assert got[:100] == jobs[1:101]
    assert await flaws(redis) == []


async def test_what_an_earlier_worker_runs_or_has_ended_is_not_taken(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    for at in range(4):
        await queue.enqueue(f"a{at}", owner="a")
    assert [await earlier.take("v"), await earlier.take("v")] == ["a0", "a1"]
    await earlier.finish("a0")
    assert await taken(queue) == ["a2", "a3"]
    assert await queue.renew("w", ["a1"]) == ["a1"]
    await earlier.renew("a1")
    assert await taken(queue) == []
    assert await queue.position("a1") is None
    assert await flaws(redis) in ([], ["leased is not what runs"]), "only the time of that lease is not known"
    await earlier.finish("a1")
    assert await taken(queue) == []
    assert await flaws(redis) == []


async def test_what_an_earlier_worker_has_ended_leaves_its_line_also_where_that_is_not_served(
    earlier: EarlierVersion, redis: Any
) -> None:
    full = Queue(redis, Settings(lease=LEASE_MS / 1000, max_running=1))
    for at in range(3):
        await full.enqueue(f"a{at}", owner="a")
    assert await taken(full) == ["a0"]
    await earlier.finish("a1")
    assert await taken(full) == []
    assert await full.position("a2") == 1
    assert await flaws(redis) == []


async def test_what_an_earlier_worker_gives_back_is_taken(queue: Queue, earlier: EarlierVersion, redis: Any) -> None:
    await queue.enqueue("a", owner="a")
    await earlier.enqueue("b")
    for job in (await earlier.take("v"), await earlier.take("v")):
        assert job is not None
        await earlier.give_back(job)
    assert sorted(await taken(queue)) == ["a", "b"]
    assert await flaws(redis) == []


async def test_what_an_earlier_worker_gives_back_is_taken_also_where_its_lease_was_known(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    await queue.enqueue("a", owner="a")
    assert await earlier.take("v") == "a"
    assert await taken(queue) == []
    await earlier.give_back("a")
    assert await taken(queue) == ["a"]
    assert await flaws(redis) == []


async def test_a_lease_that_an_earlier_worker_lost_is_taken_over(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    await queue.enqueue("a", owner="a")
    await queue.enqueue("b", owner="a")
    assert await earlier.take("v") == "a"
    await redis.zadd(QUEUE_KEY, {"a": 1})
    assert await taken(queue) == ["a", "b"]
    assert await queue.renew("w", ["a", "b"]) == []
    assert await flaws(redis) == []


async def test_a_lease_that_went_over_to_an_earlier_worker_is_left_to_it(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    await queue.enqueue("a", owner="a")
    await taken(queue)
    for key in (QUEUE_KEY, LEASED_KEY):
        await redis.zadd(key, {"a": 1})
    assert await earlier.take("v") == "a"
    assert await taken(queue) == []
    assert await flaws(redis) == []


async def test_one_that_an_earlier_api_enqueues_and_an_earlier_worker_ends_are_told_apart(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    """As many are missing as are too much, so their numbers say nothing: the line's turn and the sweeper do."""
    await queue.enqueue("ended", owner="a")
    await earlier.take("v")
    await earlier.finish("ended")
    await earlier.enqueue("missing")
    assert (await queue.indexes.pending(count=9))[-1][2:] == (True, False)
    assert not await queue.enqueue("missing", owner="b")
    assert (await queue.indexes.pending(count=9))[-1][2:] == (True, True)
    assert await taken(queue) == ["missing"]
    assert await redis.hget(LINE_OWNERS_KEY, "missing") == b"b"
    assert await flaws(redis) == []


async def test_one_that_an_earlier_worker_ended_is_accepted_again(
    queue: Queue, earlier: EarlierVersion, redis: Any
) -> None:
    for job in ("waited", "ran"):
        await queue.enqueue(job, owner="a")
    assert await taken(queue, 1) == ["ran"] or True
    for job in ("waited", "ran"):
        await earlier.finish(job)
        assert await queue.enqueue(job, owner="a")
    assert sorted(await taken(queue)) == ["ran", "waited"]
    assert await flaws(redis) == []


@pytest.mark.parametrize("lost", ["indexes", "queue"])
async def test_a_redis_that_was_restored_in_part_is_mended(queue: Queue, redis: Any, lost: str) -> None:
    for owner in ("a", "b"):
        for at in range(3):
            await queue.enqueue(f"{owner}{at}", owner=owner)
    running = await taken(queue, 2)
    indexes = [LEASED_KEY, LINE_OWNERS_KEY, LINES_KEY, FINISHED_KEY, TIME_KEY]
    indexes += [key(owner) for owner in ("a", "b") for key in (line_key, running_key)]
    if lost == "indexes":
        await redis.delete(*indexes)
        assert sorted(await taken(queue)) == sorted({"a0", "a1", "a2", "b0", "b1", "b2"} - set(running))
    else:
        await redis.delete(QUEUE_KEY, LEASES_KEY)
        assert await taken(queue) == []
        assert await queue.renew("w", running) == []
    assert await flaws(redis) == []
    for job in running:
        assert await queue.finish("w", job, "done")
    assert await flaws(redis) == []


async def test_a_virtual_time_that_was_lost_gives_nobody_credit(queue: Queue, redis: Any) -> None:
    for at in range(40):
        await queue.enqueue(f"a{at:02}", owner="a")
    await taken(queue, 30)
    await redis.delete(TIME_KEY)
    for at in range(10):
        await queue.enqueue(f"b{at}", owner="b")
    assert sorted(job[0] for job in await taken(queue, 4)) == ["a", "a", "b", "b"]


LOST = [LINE_OWNERS_KEY, LINES_KEY, LEASED_KEY, LEASES_KEY, TIME_KEY, line_key("a"), running_key("a")]


@pytest.mark.parametrize("lost", LOST)
async def test_whatever_part_of_the_lines_is_lost_all_that_waits_is_taken(redis: Any, lost: str) -> None:
    queue = Queue(redis, Settings(lease=LEASE_MS / 1000, max_running=10))
    for at in range(5):
        await queue.enqueue(f"a{at}", owner="a")
        await queue.enqueue(f"b{at}", owner="b")
    got = {*await taken(queue, 3)}
    await redis.delete(lost)
    for _ in range(20):
        jobs = await taken(queue, 2)
        assert lost == LEASES_KEY or not got.intersection(jobs)
        got |= {*jobs}
        assert await queue.renew("w", sorted(got)) == []
    assert len(got) == 10
    for job in sorted(got):
        assert await queue.finish("w", job, "done")
    # What ran of an owner as its name was lost is found when that owner has as many as it may.
    assert [flaw for flaw in await flaws(redis) if lost != LINE_OWNERS_KEY or "nobody's" not in flaw] == []
    assert (await queue.take("w", most=2)).next_ms is None


async def test_what_ran_as_its_owner_was_lost_keeps_no_place_of_that_owner(redis: Any) -> None:
    queue = Queue(redis, Settings(lease=LEASE_MS / 1000, max_running=1))
    await queue.enqueue("a0", owner="a")
    assert await taken(queue) == ["a0"]
    await redis.delete(LINE_OWNERS_KEY)
    assert await taken(queue) == []
    await queue.finish("w", "a0", "done")
    await queue.enqueue("a1", owner="a")
    assert await taken(queue) == ["a1"]
    assert await flaws(redis) == []
