"""The lines' contract: who is served when, how much one owner may hold, and what is kept of either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.config.owner_settings import OwnerSettings
from shared.config.settings import Settings
from shared.queue.lines import LINE_KEYS, Shares
from shared.queue.queue import Queue
from shared.queue.workers import Workers
from shared.storage.keys import FINISHED_KEY, LEASED_KEY, LEASES_KEY, LINES_KEY, PENDING_KEY, QUEUE_KEY, line_key
from tests.contract.line_index import flaws, names


def queue_of(redis: Redis, **settings: Any) -> Queue:
    return Queue(redis, Settings(lease=30, **settings))


async def fill(queue: Queue, owner: str, number: int, *, since: int = 0) -> None:
    for at in range(since, since + number):
        assert await queue.enqueue(f"{owner}-{at:04}", owner=owner)


async def taken(queue: Queue, most: int, **how: Any) -> list[str]:
    return [job for job, _ in (await queue.take("w", most=most, **how)).jobs]


def owners_of(jobs: Sequence[str]) -> list[str]:
    return [job.partition("-")[0] for job in jobs]


async def test_owners_that_wait_are_served_by_turns_and_each_line_in_its_order(redis: Redis) -> None:
    queue = queue_of(redis)
    for owner, number in (("a", 6), ("b", 2), ("c", 4)):
        await fill(queue, owner, number)
    jobs = [job for _ in range(12) for job in await taken(queue, 1)]
    for at in range(1, 7):
        counts = Counter(owners_of(jobs[:at]))
        assert max(counts.values()) - min(counts.get(owner, 0) for owner in "abc") <= 1, jobs
    for owner in "abc":
        own = [job for job in jobs if job.startswith(owner)]
        assert own == sorted(own)
    assert len(set(jobs)) == 12
    assert await flaws(redis) == []


async def test_weights_say_how_often_an_owner_is_served(redis: Redis) -> None:
    queue = queue_of(redis, owners={"heavy": {"weight": 2}, "light": {"weight": 0.5}})
    for owner in ("heavy", "light", "one"):
        await fill(queue, owner, 30)
    counts = Counter(owners_of(await taken(queue, 28)))
    assert counts == {"heavy": 16, "one": 8, "light": 4}


async def test_who_floods_does_not_keep_another_waiting(redis: Redis) -> None:
    queue = queue_of(redis)
    await fill(queue, "flood", 100)
    await taken(queue, 10)
    await fill(queue, "single", 1)
    assert "single-0000" in await taken(queue, 2)


async def test_an_owner_that_comes_back_has_no_credit_of_when_it_was_away(redis: Redis) -> None:
    queue = queue_of(redis)
    await fill(queue, "away", 1)
    await taken(queue, 1)
    await queue.finish("w", "away-0000", "done")
    await fill(queue, "stays", 60)
    await taken(queue, 40)
    await fill(queue, "away", 20, since=1)
    counts = Counter(owners_of(await taken(queue, 10)))
    assert abs(counts["away"] - counts["stays"]) <= 2, counts


async def test_who_sends_one_after_the_other_is_served_no_more_often_than_who_sends_all_at_once(redis: Redis) -> None:
    """Its line is empty each time, and it was served all the same."""
    queue = queue_of(redis)
    await fill(queue, "flood", 30)
    served: Counter[str] = Counter()
    await fill(queue, "serial", 1)
    for _ in range(20):
        owners = owners_of(await taken(queue, 1))
        served.update(owners)
        if owners == ["serial"]:
            await fill(queue, "serial", 1, since=served["serial"])
    assert abs(served["serial"] - served["flood"]) <= 2, served


async def test_owners_that_come_for_the_first_time_do_not_keep_one_that_waits_away(redis: Redis) -> None:
    """However many there are: what an owner is called is up to whoever makes tokens."""
    queue = queue_of(redis)
    await fill(queue, "zz", 3)
    assert await taken(queue, 1) == ["zz-0000"]
    served = []
    for at in range(20):
        await fill(queue, f"new{at:03}", 2)
        served += await taken(queue, 1)
    assert "zz-0001" in served


async def test_nothing_is_kept_of_owners_that_have_nothing(redis: Any) -> None:
    queue = queue_of(redis)
    for at in range(30):
        await fill(queue, f"o{at}", 1)
        (job,) = await taken(queue, 1)
        await queue.finish("w", job, "done")
    assert await redis.zcard(LINES_KEY) == 0
    assert await redis.zcard(FINISHED_KEY) <= 3, "of those alone that are ahead of the virtual time"
    assert await redis.exists(*LINE_KEYS[:2], *LINE_KEYS[4:6]) == 0
    assert await flaws(redis) == []


async def test_a_position_is_that_in_ones_own_line(redis: Redis) -> None:
    queue = queue_of(redis)
    await fill(queue, "a", 5)
    await fill(queue, "b", 2)
    assert [await queue.position(job) for job in ("a-0004", "b-0000", "b-0001")] == [5, 1, 2]
    await taken(queue, 2)
    assert [await queue.position(job) for job in ("a-0000", "a-0004", "b-0000", "b-0001")] == [None, 4, None, 1]


async def test_what_is_given_back_comes_before_all_that_came_later(redis: Redis) -> None:
    queue = queue_of(redis)
    await fill(queue, "a", 4)
    assert await taken(queue, 2) == ["a-0000", "a-0001"]
    for job in ("a-0001", "a-0000"):
        await redis.zincrby(PENDING_KEY, -1000 - int(job == "a-0000"), job)  # accepted long ago
        assert await queue.finish("w", job, "back")
    assert await flaws(redis) == []
    assert [await queue.position(f"a-{at:04}") for at in range(4)] == [1, 2, 3, 4]
    assert await taken(queue, 4) == [f"a-{at:04}" for at in range(4)]


# What an owner may hold


async def test_no_more_of_an_owner_run_than_it_may(redis: Redis) -> None:
    queue = queue_of(redis, max_running=2, owners={"more": {"max_running": 3}})
    for owner in ("more", "one"):
        await fill(queue, owner, 5)
    assert Counter(owners_of(await taken(queue, 20))) == {"more": 3, "one": 2}
    assert await taken(queue, 20) == []
    while await queue.wait(0.01):
        pass
    assert await queue.finish("w", "one-0000", "done")
    assert await queue.wait(1), "what waited for that is taken at once"
    assert await taken(queue, 20) == ["one-0002"]
    assert await queue.finish("w", "more-0001", "back")
    assert await taken(queue, 20) == ["more-0001"]
    assert await flaws(redis) == []


async def test_an_owner_holds_its_share_of_all_living_workers_places(redis: Redis) -> None:
    queue, workers = queue_of(redis, max_share=0.75, api_keys="a:one,b:other", concurrency=4), Workers(redis)
    for worker in ("w", "v"):
        await workers.beat(worker, 60, 4)
    await fill(queue, "a", 20)
    assert len(await taken(queue, 20)) == 6
    await fill(queue, "b", 1)
    assert await taken(queue, 20) == ["b-0000"]
    while await queue.wait(0.01):
        pass
    await workers.beat("u", 60, 2)
    assert await queue.wait(1)
    assert len(await taken(queue, 20)) == 1, "of ten places seven and a half"
    await workers.leave("v")
    await workers.leave("u")
    for at in range(4):
        assert await queue.finish("w", f"a-{at:04}", "done")
    assert await taken(queue, 20) == [], "three of four"
    assert await queue.finish("w", "a-0004", "done")
    assert len(await taken(queue, 20)) == 1


@pytest.mark.parametrize(("share", "concurrency", "most"), [(0.1, 4, 1), (0.29, 100, 29), (1, 3, 3)])
async def test_a_share_is_rounded_down_but_is_one_at_least(
    redis: Redis, share: float, concurrency: int, most: int
) -> None:
    """Of its own places where no worker has said how many it has: one of an earlier version does not."""
    queue = queue_of(redis, max_share=share, concurrency=concurrency, keys="redis")
    await fill(queue, "a", 40)
    assert len(await taken(queue, 40)) == most


async def test_one_owner_alone_holds_every_place(redis: Redis) -> None:
    queue = queue_of(redis, max_share=0.1, api_keys="a:one", concurrency=2)
    await fill(queue, "a", 40)
    assert len(await taken(queue, 40)) == 40


async def test_places_are_those_of_workers_that_live(redis: Any) -> None:
    workers = Workers(redis)
    await workers.beat("one", 60, 4)
    await workers.beat("two", 0.02, 8)
    assert await workers.places() == 12
    await redis.zadd("midstream:workers", {"two": 1})
    await workers.beat("one", 60, 4)
    assert await workers.places() == 4
    await workers.leave("one")
    assert await workers.places() == 0
    assert not await redis.exists("midstream:workers:places")


async def test_many_owners_that_are_full_hide_none_that_is_not(redis: Redis) -> None:
    queue = queue_of(redis, max_running=1)
    for at in range(300):
        await fill(queue, f"o{at:03}", 1)
    assert len(await taken(queue, 300)) == 300
    for at in range(300):
        await fill(queue, f"o{at:03}", 1, since=1)
    await fill(queue, "zz", 1)
    jobs: list[str] = []
    for _ in range(3):
        look = await queue.take("w", most=1)
        jobs += [job for job, _ in look.jobs]
        if jobs or look.next_ms is None:
            break
        assert look.next_ms == 1, "it is looked at again at once"
    assert jobs == ["zz-0000"]
    assert await taken(queue, 5) == []


# What is over


async def test_what_has_ended_leaves_its_line_unless_a_worker_has_it(redis: Any) -> None:
    queue = queue_of(redis)
    await fill(queue, "a", 3)
    await fill(queue, "b", 1)
    assert set(await taken(queue, 2)) == {"a-0000", "b-0000"}
    await queue.enqueue("later", 60_000, owner="c")
    assert await queue.remove([]) == 0
    assert await queue.remove(["a-0000", "a-0001", "a-0002", "later", "unknown"]) == 2
    assert await names(redis, QUEUE_KEY) == ["a-0000", "b-0000", "later"]
    assert await redis.exists("arq:job:a-0001") == 0
    assert await redis.zscore(PENDING_KEY, "a-0001") is not None, "until its end is known to be on disk"
    assert await flaws(redis) == []
    assert await taken(queue, 9) == []


# What a lost worker leaves


async def expire(redis: Any, ms: int, *jobs: str) -> None:
    """As if nobody had renewed these leases."""
    now_ms = (await Queue(redis, Settings()).clock())[0]
    for key in (QUEUE_KEY, LEASED_KEY):
        await redis.zadd(key, dict.fromkeys(jobs, now_ms - ms))


async def test_what_a_lost_worker_leaves_comes_before_all_lines(redis: Redis) -> None:
    queue = queue_of(redis)
    await fill(queue, "a", 5)
    await taken(queue, 3)
    await fill(queue, "b", 5)
    await expire(redis, 20, "a-0002")
    await expire(redis, 10, "a-0000")
    assert await queue.position("a-0002") == 1
    assert await taken(queue, 3) == ["a-0002", "a-0000", "b-0000"]
    assert await flaws(redis) == []


async def test_a_lost_worker_leaves_an_owner_no_more_than_its_share_of_the_others(redis: Any) -> None:
    queue = queue_of(redis, max_share=0.5, keys="redis", concurrency=2)
    workers = Workers(redis)
    for worker in ("w", "v"):
        await workers.beat(worker, 60, 2)
    await fill(queue, "a", 5)
    assert len(await taken(queue, 9)) == 2
    await redis.hset("midstream:queue:leases", "a-0000", "v")
    await queue.enqueue("back", 1, owner="c")
    await expire(redis, 10, "a-0000", "back")
    await fill(queue, "b", 1)
    assert set(await taken(queue, 9)) == {"b-0000", "back"}
    assert await queue.position("a-0000") == 1
    assert await queue.finish("w", "a-0001", "done")
    assert await taken(queue, 9) == ["a-0000"]
    assert await workers.places() == 2, "who let a lease run out has no places until it says so again"
    await workers.beat("v", 60, 2)
    assert await workers.places() == 4
    assert await flaws(redis) == []


async def test_a_held_off_worker_takes_what_is_new_however_many_leases_ran_out(redis: Any) -> None:
    queue = queue_of(redis)
    since_ms = (await queue.clock())[0]
    lost = [f"lost{at:03}" for at in range(250)]
    for job in lost:
        await queue.enqueue(job, owner="a")
    await redis.hset(LEASES_KEY, mapping=dict.fromkeys(lost, "dead"))
    await redis.zadd(QUEUE_KEY, dict.fromkeys(lost, since_ms))
    await queue.enqueue("new", owner="b")
    assert await taken(queue, 1, since_ms=since_ms) == ["new"]


async def test_a_line_keeps_its_order_when_the_clock_is_set_back(redis: Any) -> None:
    queue = queue_of(redis)
    await fill(queue, "a", 3)
    for key in (QUEUE_KEY, PENDING_KEY, line_key("a")):
        scores = {job.decode(): score + 600_000 for job, score in await redis.zrange(key, 0, -1, withscores=True)}
        await redis.zadd(key, scores)
    now_ms = (await queue.take("w", most=0)).now_ms
    assert all(score <= now_ms for _, score in await redis.zrange(QUEUE_KEY, 0, -1, withscores=True))
    await fill(queue, "a", 1, since=3)
    assert await taken(queue, 4) == [f"a-{at:04}" for at in range(4)]


def test_only_owners_that_differ_are_told_to_each_take() -> None:
    same = OwnerSettings(weight=1, models=["simulator/*"])
    assert Shares(Settings(owners={"a": same}, concurrency=7)).arguments == [7, "", "", ""]
    of_their_own = {"a": OwnerSettings(weight=2), "b": OwnerSettings(max_running=3), "c": same}
    told = Shares(Settings(owners=of_their_own, max_running=5, max_share=0.5)).arguments
    assert told[1:3] == ["0.5", 5]
    assert told[3] == b'{"a":{"weight":2.0},"b":{"weight":1.0,"max_running":3}}'
