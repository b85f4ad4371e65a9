"""Accepting: what was accepted before is found before anything is announced, whatever comes between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from shared.errors import GoneError
from shared.generations.generations import Generations, LimitedError
from shared.log.guarded_log import Log, WriteOutcome
from shared.queue.limits import Announced
from shared.record import Acceptance
from shared.storage.keys import PENDING_KEY, QUEUE_KEY, GenerationKeys
from shared.tracing.trace_context import TraceContext
from tests.contract.accepting import REQUEST, accept, batch, claim, completed
from tests.contract.line_index import flaws


@pytest.fixture
def generations(generations: Generations) -> Generations:
    generations.settings.max_pending = 1
    return generations


async def asked(generations: Generations, key: str = "k") -> Acceptance:
    generation_id = await generations.new_id("me", key)
    return Acceptance(id=generation_id, owner="me", model="p/m", request=REQUEST, on_interrupt="restart", ttl_ms=60_000)


async def end(log: Log, generation_id: str) -> None:
    attempt = await claim(log, generation_id)
    await log.append(batch(generation_id, attempt, 1, [completed()]))


@pytest.mark.parametrize("state", ["queued", "running", "completed"])
async def test_a_repeated_one_is_found_and_takes_no_place(
    generations: Generations, log: Log, redis: Redis, state: str
) -> None:
    first = await asked(generations)
    assert (await generations.accept(first, again=True)).created
    if state == "running":
        await claim(log, first.id)
    elif state == "completed":
        await end(log, first.id)
        await generations.queue.indexes.settle([first.id])
        await redis.delete(QUEUE_KEY)
        await generations.accept(await asked(generations, "another"), again=True)  # the queue is full again
    before = await redis.zrange(PENDING_KEY, 0, -1), await redis.zrange(QUEUE_KEY, 0, -1)
    again = await generations.accept(first, again=True)
    assert (again.created, again.state, again.same_request) == (False, state, True)
    other = await generations.accept(replace(first, request=b"{}", fingerprint=""), again=True)
    assert (other.created, other.same_request) == (False, False)
    assert before == (await redis.zrange(PENDING_KEY, 0, -1), await redis.zrange(QUEUE_KEY, 0, -1))
    with pytest.raises(LimitedError):
        await generations.accept(await asked(generations, "new"), again=True)


async def test_a_repeated_one_enqueues_what_its_first_could_not(generations: Generations, redis: Redis) -> None:
    first = await asked(generations)
    await generations.accept(first, again=True)
    await redis.delete(QUEUE_KEY)
    await generations.accept(first, again=True)
    assert await redis.zrange(QUEUE_KEY, 0, -1) == [first.id.encode()]


async def test_what_was_deleted_is_gone_also_where_the_queue_is_full(generations: Generations, redis: Redis) -> None:
    first = await asked(generations)
    await generations.accept(first, again=True)
    await generations.delete("me", first.id)
    with pytest.raises(GoneError):
        await generations.accept(first, again=True)
    assert await generations.queue.indexes.place("me", first.id) is None


@pytest.mark.parametrize("how", ["completed", "deleted"])
async def test_what_ended_between_the_look_and_the_announcement_keeps_no_place(
    generations: Generations, log: Log, redis: Redis, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    first = await asked(generations)

    async def not_there(_: Acceptance) -> None:
        monkeypatch.undo()
        await generations.accept(first)
        if how == "completed":
            await end(log, first.id)
        else:
            await generations.delete("me", first.id)
        await generations.queue.indexes.settle([first.id])

    monkeypatch.setattr(generations, "_accepted_before", not_there)
    if how == "completed":
        assert (await generations.accept(first, again=True)).state == "completed"
    else:
        with pytest.raises(GoneError):
            await generations.accept(first, again=True)
    assert await redis.zcard(PENDING_KEY) == 0
    assert (await generations.queue.indexes.place("me", first.id) is None) == (how == "deleted")


async def test_two_first_ones_at_once_are_one(generations: Generations, redis: Redis) -> None:
    first = await asked(generations)
    both = await asyncio.gather(*(generations.accept(first, again=True) for _ in range(2)))
    assert sorted(accepted.created for accepted in both) == [False, True]
    assert await redis.zcard(PENDING_KEY) == 1


async def test_the_place_of_a_half_accepted_one_is_its_own(
    generations: Generations, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis went away between the two writes: the next try takes no second place, and is not refused for its first."""
    first = await asked(generations)

    async def away(_: Acceptance) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(generations, "_write_record", away)
        with pytest.raises(ConnectionError):
            await generations.accept(first, again=True)
    assert await redis.exists(GenerationKeys(first.id).record) == 0
    assert (await generations.accept(first, again=True)).created
    assert (await generations.queue.indexes.announce(first.id, "me", 1)).outcome is Announced.BEFORE


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_one_that_ends_while_it_waits_leaves_its_line_at_once(
    generations: Generations, redis: Redis, how: str
) -> None:
    """No worker is needed for it, and those behind it move up."""
    generations.settings.max_pending = 9
    first, second = await asked(generations, "1"), await asked(generations, "2")
    for one in (first, second):
        await generations.accept(one)
    if how == "cancel":
        assert await generations.cancel(first.id) == "cancelled"
    else:
        await generations.delete("me", first.id)
    assert await redis.zrange(QUEUE_KEY, 0, -1) == [second.id.encode()]
    assert await generations.queue.position(second.id) == 1
    assert await redis.zscore(PENDING_KEY, first.id) is not None, "the sweeper settles it"
    assert await flaws(redis) == []


async def test_one_that_a_worker_has_is_left_to_that(generations: Generations, redis: Redis) -> None:
    first = await asked(generations)
    await generations.accept(first)
    assert (await generations.queue.take("w", most=1)).jobs
    assert await generations.cancel(first.id) == "cancelled"
    assert await redis.zrange(QUEUE_KEY, 0, -1) == [first.id.encode()]


async def test_one_that_was_handed_over_is_left_to_a_worker(generations: Generations, redis: Redis) -> None:
    """Only a worker ends what a provider still runs of it."""
    first = await asked(generations)
    await generations.accept(first)
    assert (await generations.queue.take("w", most=1)).jobs
    attempt = await claim(Log(generations.redis), first.id)
    assert await Log(generations.redis).hand_over(first.id, attempt.token, "drained") is WriteOutcome.OK
    assert await generations.queue.finish("w", first.id, "back")
    assert await generations.cancel(first.id) == "cancelled"
    assert await redis.zrange(QUEUE_KEY, 0, -1) == [first.id.encode()]


@pytest.mark.parametrize("away", ["refuses", "is silent"])
async def test_a_queue_that_is_away_holds_no_cancel_up(
    generations: Generations, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    """A worker finds its end in the log."""
    first = await asked(generations)
    await generations.accept(first)

    async def remove(_: object) -> int:
        if away == "is silent":
            await asyncio.sleep(3600)
        raise ConnectionError("cut")

    monkeypatch.setattr(generations.queue, "remove", remove)
    monkeypatch.setattr("shared.generations.generations.MAX_LEAVING_S", 0.01)
    assert await generations.cancel(first.id) == "cancelled"


async def test_the_trace_of_the_first_request_stands(generations: Generations, redis: Any) -> None:
    first = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=x")
    second = TraceContext("00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
    asked = Acceptance(
        id="gen_t", owner="local", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000, trace=first
    )
    assert (await generations.accept(asked)).created
    assert not (await generations.accept(replace(asked, trace=second), again=True)).created
    record = (await generations.find("gen_t")).record
    assert record is not None
    assert record.trace == first
    # Redis forgets it, and who knows it writes it again.
    await redis.delete(*[GenerationKeys("gen_t").record, GenerationKeys("gen_t").tombstone])
    assert await generations.restore(record.accepted(b"{}", b""))
    assert (await generations.find("gen_t")).record == record


async def test_without_a_trace_none_is_kept(generations: Generations, redis: Any) -> None:
    generation_id = await accept(generations)
    assert await redis.hmget(GenerationKeys(generation_id).record, ["traceparent", "tracestate"]) == [None, None]
    record = (await generations.find(generation_id)).record
    assert record is not None
    assert record.trace is None
