"""The queue's contract: leases, owners, wake-ups, and what a lost lease means."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.queue.queue import NO_LEASES, Queue, decode_job, encode_job
from shared.storage.keys import INTERRUPTS_CHANNEL, LEASED_KEY, LEASES_KEY, PENDING_KEY, QUEUE_KEY


async def test_jobs_are_taken_once_and_in_order(queue: Queue) -> None:
    for name in "abc":
        assert await queue.enqueue(name, owner="o")
        await asyncio.sleep(0.002)
    assert not await queue.enqueue("a", owner="o")
    first = await queue.take("w1", most=2)
    second = await queue.take("w2", most=2)
    assert [job for job, _ in first.jobs] == ["a", "b"]
    assert [job for job, _ in second.jobs] == ["c"]
    assert (await queue.take("w3", most=2)).jobs == []


async def test_position_in_line(queue: Queue) -> None:
    for name in "abc":
        await queue.enqueue(name, owner="o")
        await asyncio.sleep(0.002)
    assert [await queue.position(name) for name in "abc"] == [1, 2, 3]
    await queue.take("w", most=1)
    assert [await queue.position(name) for name in "abcd"] == [None, 1, 2, None]


async def test_an_expired_lease_is_visible_again_and_its_owner_has_lost_it(queue: Queue, redis: Any) -> None:
    await queue.enqueue("a", owner="o")
    taken = await queue.take("w1", most=1)
    waiting = await queue.take("w2", most=1)
    assert waiting.next_ms is not None
    assert 0 < waiting.next_ms <= queue.lease_ms
    async with asyncio.timeout(5):
        while not (again := await queue.take("w2", most=1)).jobs:
            await asyncio.sleep(0.01)
    assert again.now_ms >= taken.now_ms + queue.lease_ms
    assert await queue.renew("w1", ["a"]) == ["a"]
    assert not await queue.finish("w1", "a", "done")
    assert not await queue.finish("w1", "a", "back")
    assert await queue.finish("w2", "a", "done")
    assert await redis.zcard(QUEUE_KEY) == 0
    assert await redis.hlen(LEASES_KEY) == 0


async def test_a_renewed_lease_stays(queue: Queue) -> None:
    await queue.enqueue("a", owner="o")
    taken = await queue.take("w1", most=1)
    now = taken.now_ms
    while now < taken.now_ms + 2 * queue.lease_ms:
        assert await queue.renew("w1", ["a"]) == []
        look = await queue.take("w2", most=1)
        assert look.jobs == []
        now = look.now_ms


async def test_a_forgotten_lease_is_taken_back_by_its_worker(queue: Queue, redis: Redis) -> None:
    await queue.enqueue("a", owner="o")
    await queue.take("w1", most=1)
    await redis.delete(QUEUE_KEY, LEASES_KEY)
    assert await queue.renew("w1", ["a"]) == []
    assert (await queue.take("w2", most=1)).jobs == []
    assert await queue.renew("w2", ["a"]) == ["a"]


async def test_a_lease_that_has_run_out_takes_none_from_whom_it_was_forgotten(queue: Queue, redis: Any) -> None:
    await queue.enqueue("a", owner="o")
    await queue.take("dead", most=1)
    async with asyncio.timeout(5):
        while not (await queue.take("w1", most=1)).jobs:
            await asyncio.sleep(0.01)
    # As a Redis has it that came back from before w1 took it.
    await redis.hset(LEASES_KEY, "a", "dead")
    await redis.zadd(QUEUE_KEY, {"a": 1})
    assert await queue.renew("w1", ["a"]) == []
    assert await queue.renew("dead", ["a"]) == ["a"]


async def test_held_off_takes_only_what_is_new(queue: Queue, redis: Any) -> None:
    await queue.enqueue("old", owner="o")
    await queue.enqueue("leased", owner="o")
    await queue.enqueue("delayed", 20, owner="o")
    await asyncio.sleep(0.005)
    since_ms = (await queue.take("nobody", most=0)).now_ms
    await asyncio.sleep(0.005)
    await queue.enqueue("new", owner="o")
    # Somebody's lease, which has just run out.
    await redis.hset(LEASES_KEY, "leased", "w1")
    await redis.zadd(QUEUE_KEY, {"leased": since_ms + 1})
    await asyncio.sleep(0.025)
    assert [job for job, _ in (await queue.take("w2", most=9, since_ms=since_ms)).jobs] == ["new"]
    assert {job for job, _ in (await queue.take("w2", most=9)).jobs} == {"old", "leased", "delayed"}


async def test_a_delayed_job_can_be_taken_back(queue: Queue) -> None:
    """By the worker that has had it all the time; whoever finishes it has had it too."""
    for job in ("renewed", "finished"):
        await queue.enqueue(job, 60_000, owner="o")
        assert await queue.position(job) is None
    assert await queue.renew("w1", ["renewed"]) == []
    assert await queue.renew("w2", ["renewed"]) == ["renewed"]
    assert await queue.finish("w1", "finished", "done")
    assert await queue.enqueue("finished", owner="o")


async def test_a_take_that_redis_gets_to_too_late_does_nothing(queue: Queue) -> None:
    await queue.enqueue("a", owner="o")
    now_ms = (await queue.take("nobody", most=0)).now_ms
    late = await queue.take("w", most=1, until_ms=now_ms - 1)
    assert (late.late, late.jobs) == (True, [])
    assert [job for job, _ in (await queue.take("w", most=1, until_ms=now_ms + 5_000)).jobs] == ["a"]


async def scores(redis: Any) -> dict[str, float]:
    return {job.decode(): score for job, score in await redis.zrange(QUEUE_KEY, 0, -1, withscores=True)}


async def test_what_waits_since_before_the_clock_was_set_back_is_visible_in_its_order(queue: Queue, redis: Any) -> None:
    for name in "abc":
        await queue.enqueue(name, owner="o")
        await asyncio.sleep(0.005)
    await redis.zadd(QUEUE_KEY, {name: score + 600_000 for name, score in (await scores(redis)).items()})
    assert await queue.position("b") == 2, "nobody leases it, whatever the clock says"
    assert [job for job, _ in (await queue.take("w", most=2)).jobs] == ["a", "b"]
    assert [job for job, _ in (await queue.take("w", most=2)).jobs] == ["c"]


async def test_a_held_off_worker_leaves_what_is_from_before_the_clock_was_set_back(queue: Queue, redis: Any) -> None:
    await queue.enqueue("a", owner="o")
    now_ms = (await queue.take("w", most=0)).now_ms
    await redis.zadd(QUEUE_KEY, {"a": now_ms + 600_000})
    assert (await queue.take("w", most=9, since_ms=now_ms)).jobs == []
    assert [job for job, _ in (await queue.take("w", most=9)).jobs] == ["a"]


@pytest.mark.parametrize("renews", [True, False])
async def test_a_lease_from_before_the_clock_was_set_back_is_its_holders_for_one_more(
    queue: Queue, redis: Any, renews: bool
) -> None:
    await queue.enqueue("a", owner="o")
    now_ms = (await queue.take("w1", most=1)).now_ms
    await redis.zadd(QUEUE_KEY, {"a": now_ms + 600_000})
    look = await queue.take("w2", most=9)
    assert look.jobs == []
    assert (await scores(redis))["a"] <= look.now_ms + queue.lease_ms
    if renews:
        assert await queue.renew("w1", ["a"]) == []
    async with asyncio.timeout(5):
        while not (again := await queue.take("w2", most=9)).jobs:
            await asyncio.sleep(0.01)
    assert again.now_ms >= look.now_ms + queue.lease_ms


async def test_what_is_leased_by_nobody_is_believed_for_as_long_as_that_may_be(queue: Queue, redis: Any) -> None:
    await queue.enqueue("a", queue.durability.restored_ms, owner="o")
    before = await scores(redis)
    await queue.take("w", most=9)
    assert await scores(redis) == before
    await redis.zincrby(QUEUE_KEY, 600_000, "a")
    now_ms = (await queue.take("w", most=9)).now_ms
    assert (await scores(redis))["a"] <= now_ms + queue.lease_ms


async def test_leases_that_are_doubted_are_left_and_hide_nothing(queue: Queue, redis: Any) -> None:
    for name in ("leased", "doubted", "waits"):
        await queue.enqueue(name, owner="o")
        if name != "waits":
            await queue.take("w1", most=9)
    now_ms = (await queue.take("w2", most=0)).now_ms
    await redis.zadd(QUEUE_KEY, {"leased": now_ms - 10, "doubted": now_ms - 5_000, "waits": now_ms - 1})
    await redis.zadd(LEASED_KEY, {"leased": now_ms - 10, "doubted": now_ms - 5_000})
    assert [job for job, _ in (await queue.take("w2", most=1, leased_since_ms=NO_LEASES)).jobs] == ["waits"]
    assert [job for job, _ in (await queue.take("w2", most=9, leased_since_ms=now_ms - 1_000)).jobs] == ["leased"]
    assert [job for job, _ in (await queue.take("w2", most=9)).jobs] == ["doubted"]


async def test_a_lease_that_is_taken_back_is_pending_again(queue: Queue, redis: Any) -> None:
    await queue.enqueue("a", owner="o")
    await queue.take("w1", most=1)
    await redis.delete(QUEUE_KEY, LEASES_KEY, PENDING_KEY)
    await queue.renew("w1", ["a"])
    assert await redis.zscore(PENDING_KEY, "a") is not None


async def test_another_lease_is_told(redis: Redis) -> None:
    assert await Queue(redis, Settings(lease=5)).compare_lease() is None
    assert await Queue(redis, Settings(lease=5)).compare_lease() is None
    assert await Queue(redis, Settings(lease=2)).compare_lease() == 5_000
    assert await Queue(redis, Settings(lease=2)).compare_lease() is None


async def test_a_job_given_back_is_taken_at_once_by_another(queue: Queue) -> None:
    await queue.enqueue("a", owner="o")
    await queue.take("w1", most=1)
    while await queue.wait(0.01):
        pass
    assert await queue.finish("w1", "a", "back")
    assert await queue.wait(1)
    assert [job for job, _ in (await queue.take("w2", most=1)).jobs] == ["a"]


async def test_enqueue_wakes_a_blocked_worker(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.wait(5))
    await asyncio.sleep(0.05)
    await queue.enqueue("a", owner="o")
    assert await asyncio.wait_for(waiting, 4)
    assert not await queue.wait(0.01)


async def test_interrupts_are_heard(queue: Queue, redis: Redis) -> None:
    async with redis.pubsub(ignore_subscribe_messages=False) as channel:
        await channel.subscribe(INTERRUPTS_CHANNEL)
        assert (await channel.get_message(timeout=5))["type"] == "subscribe"
        await queue.interrupt("a")
        assert (await channel.get_message(timeout=5))["data"] == b"a"


async def test_a_clock_that_was_set_back_leaves_no_process_alone_for_longer(queue: Queue, redis: Redis) -> None:
    assert await queue.alone("sweep", 0.5)
    await redis.pexpire("midstream:alone:sweep", 600_000)
    assert await queue.alone("sweep", 0.5)
    assert not await queue.alone("sweep", 0.5)


async def test_one_process_is_alone_for_a_while(queue: Queue) -> None:
    assert await queue.alone("sweep", 0.05)
    assert not await queue.alone("sweep", 0.05)
    async with asyncio.timeout(5):
        while not await queue.alone("sweep", 0.05):
            await asyncio.sleep(0.01)


def test_only_our_json_is_a_job() -> None:
    assert decode_job(encode_job({"f": "generate", "a": ("x",)})) == {"f": "generate", "a": ["x"]}
    for forged in (pickle.dumps({"f": "generate"}), b'{"f":"os.system"}', b"[]", b""):
        with pytest.raises(msgspec.DecodeError):
            decode_job(forged)
