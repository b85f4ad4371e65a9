"""Limits of owners, in the step that announces a generation: what is refused uses up nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared.config.owner_settings import OwnerLimits
from shared.log.events import Cost, Spent, Usage
from shared.queue.limits import NO_LIMITS, Announced, Announcement, Refusal
from shared.queue.queue import Queue
from shared.storage.clock import read_clock
from shared.storage.keys import PENDING_KEY, announced_key, line_key, owner_key, rate_key
from shared.usage import Ended

MINUTE_MS = 60_000
IDS = itertools.count()


async def announce(queue: Queue, limits: OwnerLimits, owner: str = "me", most: int = 99_999) -> Announcement:
    return await queue.indexes.announce(f"gen_{next(IDS)}", owner, most, limits)


async def refusals(queue: Queue, limits: OwnerLimits, owner: str = "me", most: int = 99_999) -> Sequence[Refusal]:
    return (await announce(queue, limits, owner, most)).refusals


async def noted(redis: Any, owner: str = "me") -> list[Any]:
    """Everything that an announcement writes."""
    return [
        await redis.zrange(PENDING_KEY, 0, -1),
        await redis.zrange(owner_key(owner), 0, -1),
        await redis.zrange(announced_key(owner), 0, -1),
        await redis.get(rate_key(owner)),
    ]


async def spend(queue: Queue, identity: str, amount: str, *, owner: str = "me", estimated: bool = False) -> None:
    now_ms, _ = await read_clock(queue.redis)
    spent = Spent("p/m", Usage(), Cost(amount), estimated=True) if estimated else Spent("p/m", Usage(), Cost(amount))
    end = Ended(
        id=identity, owner=owner, state="completed", ended_ms=now_ms, keep_ms=MINUTE_MS, model="p/m", spent=[spent]
    )
    await queue.indexes.settle([], [end])


async def pass_time(redis: Any, ms: int, owner: str = "me") -> None:
    """Makes a rate's last request so much older."""
    at, level = (await redis.get(rate_key(owner))).split()
    await redis.set(rate_key(owner), b"%d %b" % (int(at) - ms, level), px=MINUTE_MS)


class Bucket:
    """The model: GCRA by its virtual scheduling (ITU-T I.371), in exact numbers. Its burst is a minute's requests."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.step = Fraction(MINUTE_MS, per_minute)
        self.arrival: Fraction | None = None

    def takes(self, now_ms: int) -> bool:
        arrival = max(Fraction(now_ms), self.arrival if self.arrival is not None else Fraction(now_ms))
        if arrival - now_ms > MINUTE_MS - self.step:
            return False
        self.arrival = arrival + self.step
        return True

    def level(self, now_ms: int) -> Fraction:
        return max(Fraction(0), (self.arrival or Fraction(0)) - now_ms) / self.step


async def test_with_no_limit_nothing_is_kept_of_an_owner(queue: Queue, redis: Redis) -> None:
    announcement = await announce(queue, NO_LIMITS)
    assert (announcement.outcome, announcement.waiting, announcement.level) == (Announced.NEW, None, None)
    assert await redis.exists(rate_key("me"), announced_key("me"), line_key("me")) == 0


async def test_a_rate_lets_a_minutes_requests_through_at_once_and_one_more_each_part_of_it(
    queue: Queue, redis: Redis
) -> None:
    limits = NO_LIMITS._replace(requests_per_minute=6)
    levels = [(await announce(queue, limits)).level for _ in range(6)]
    assert [round(level or 0) for level in levels] == [1, 2, 3, 4, 5, 6]
    assert await refusals(queue, limits) == (Refusal.RATE,)
    await pass_time(redis, 9_000)
    assert await refusals(queue, limits) == (Refusal.RATE,)
    await pass_time(redis, 1_000)
    assert await refusals(queue, limits) == ()
    assert await refusals(queue, limits) == (Refusal.RATE,)
    assert await refusals(queue, limits, "you") == ()
    assert 0 < await redis.pttl(rate_key("me")) <= MINUTE_MS


async def test_a_rate_that_was_lowered_is_over_within_a_minute(queue: Queue, redis: Redis) -> None:
    for _ in range(50):
        await announce(queue, NO_LIMITS._replace(requests_per_minute=50))
    lower = NO_LIMITS._replace(requests_per_minute=2)
    assert await refusals(queue, lower) == (Refusal.RATE,)
    await pass_time(redis, MINUTE_MS // 2)
    assert await refusals(queue, lower) == ()


async def test_a_clock_that_was_set_back_keeps_nobody_out_for_longer(queue: Queue, redis: Redis) -> None:
    limits = NO_LIMITS._replace(requests_per_minute=2)
    await announce(queue, limits)
    await pass_time(redis, -86_400_000)  # it was a day later then
    assert await refusals(queue, limits) == ()
    assert await refusals(queue, limits) == (Refusal.RATE,)
    await pass_time(redis, MINUTE_MS)
    assert await refusals(queue, limits) == ()


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_a_rate_is_gcra(queue: Queue, redis: Redis, data: st.DataObject) -> None:
    owner = f"owner-{next(IDS)}"
    per_minute = data.draw(st.sampled_from([1, 2, 3, 7, 13, 60, 600, 999_983]))
    limits = NO_LIMITS._replace(requests_per_minute=per_minute)
    pauses = st.one_of(
        st.just(0), st.integers(0, MINUTE_MS // per_minute + 2), st.sampled_from([MINUTE_MS, 2 * MINUTE_MS])
    )
    model = Bucket(per_minute)
    ahead_ms = 0
    """What was skipped, by which the model's clock is ahead of Redis'."""
    for pause in data.draw(st.lists(pauses, max_size=30)):
        if pause and await redis.exists(rate_key(owner)):
            await pass_time(redis, pause, owner)
            ahead_ms += pause
        announcement = await announce(queue, limits, owner)
        now_ms = announcement.now_ms + ahead_ms
        taken = model.takes(now_ms)
        assert (announcement.outcome is Announced.NEW) == taken
        assert announcement.level == pytest.approx(float(model.level(now_ms)), abs=1e-3)


async def test_a_line_that_is_full_takes_no_more(queue: Queue, redis: Redis) -> None:
    limits = NO_LIMITS._replace(max_queued=3)
    await redis.zadd(line_key("me"), {"gen_waiting": 1})
    assert [(await announce(queue, limits)).waiting for _ in range(2)] == [2, 3]
    before = await noted(redis)
    assert await refusals(queue, limits) == (Refusal.QUEUED,)
    assert await noted(redis) == before
    assert await refusals(queue, limits, "you") == ()
    await redis.zrem(line_key("me"), "gen_waiting")
    assert await refusals(queue, limits) == ()


async def test_a_burst_does_not_slip_past(queue: Queue) -> None:
    limits = NO_LIMITS._replace(max_queued=5, requests_per_minute=9)
    outcomes = [a.outcome for a in await asyncio.gather(*(announce(queue, limits) for _ in range(40)))]
    assert outcomes.count(Announced.NEW) == 5


async def test_what_was_announced_and_never_enqueued_waits_not_for_ever(queue: Queue, redis: Redis) -> None:
    limits = NO_LIMITS._replace(max_queued=1)
    await announce(queue, limits)
    assert await refusals(queue, limits) == (Refusal.QUEUED,)
    assert 0 < await redis.pttl(announced_key("me")) <= 10_000
    [(member, score)] = await redis.zrange(announced_key("me"), 0, -1, withscores=True)
    await redis.zadd(announced_key("me"), {member: score - 10_001})
    assert await refusals(queue, limits) == ()
    assert await redis.zcard(announced_key("me")) == 1


async def test_a_budget_is_what_ended_today_by_all_models(queue: Queue) -> None:
    limits = NO_LIMITS._replace(cost_per_day=0.3)
    await spend(queue, "gen_a", "0.1")
    await spend(queue, "gen_b", "0.1", owner="you")
    await spend(queue, "gen_a", "0.1")  # counted before
    assert await refusals(queue, limits) == ()
    await spend(queue, "gen_c", "0.199999999999")
    assert await refusals(queue, limits) == ()
    await spend(queue, "gen_d", "0.000000000001")
    assert await refusals(queue, limits) == (Refusal.BUDGET,)
    assert await refusals(queue, NO_LIMITS._replace(cost_per_day=0.31)) == ()
    assert await refusals(queue, limits, "you") == ()


async def test_what_nobody_counted_is_in_the_budget_too(queue: Queue) -> None:
    await spend(queue, "gen_a", "2", estimated=True)
    assert await refusals(queue, NO_LIMITS._replace(cost_per_day=2)) == (Refusal.BUDGET,)


async def test_another_days_cost_is_not_todays(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms, _ = await read_clock(queue.redis)
    for days in (-1, 1):
        end = Ended(
            id=f"gen_{days}", owner="me", state="completed", ended_ms=now_ms + days * 86_400_000, keep_ms=MINUTE_MS,
            model="p/m", spent=[Spent("p/m", Usage(), Cost("9"))],
        )  # fmt: skip
        await queue.indexes.settle([], [end])
    limits = NO_LIMITS._replace(cost_per_day=1)
    assert await refusals(queue, limits) == ()
    # Redis' clock says which day it is.
    for shift in (-86_400, 86_400):
        monkeypatch.setattr("shared.queue.limits.datetime", _Shifted(shift))
        assert await refusals(queue, limits) == ()
    await spend(queue, "gen_today", "1")
    assert await refusals(queue, limits) == (Refusal.BUDGET,)


class _Shifted:
    """A clock that goes wrong by these seconds."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def now(self, zone: Any) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.seconds, zone)


async def test_no_budget_at_all_lets_nothing_through(queue: Queue) -> None:
    assert await refusals(queue, NO_LIMITS._replace(cost_per_day=0)) == (Refusal.BUDGET,)


@pytest.mark.parametrize("why", list(Refusal))
async def test_what_is_refused_uses_up_nothing(queue: Queue, redis: Redis, why: Refusal) -> None:
    limits = NO_LIMITS._replace(max_queued=9, requests_per_minute=9, cost_per_day=1)
    await announce(queue, limits)
    tight, most = limits, 99_999
    match why:
        case Refusal.PENDING:
            most = 1
        case Refusal.QUEUED:
            tight = limits._replace(max_queued=1)
        case Refusal.RATE:
            tight = limits._replace(requests_per_minute=1)
        case Refusal.BUDGET:
            await spend(queue, "gen_x", str(Decimal(1)))
    before = await noted(redis)
    assert await refusals(queue, tight, most=most) == (why,)
    assert await noted(redis) == before


async def test_all_reasons_are_told(queue: Queue) -> None:
    await announce(queue, NO_LIMITS._replace(max_queued=9, requests_per_minute=1))
    limits = NO_LIMITS._replace(max_queued=1, requests_per_minute=1, cost_per_day=0)
    assert set(await refusals(queue, limits, most=1)) == set(Refusal)


async def test_one_that_is_announced_again_counts_no_second_time(queue: Queue) -> None:
    limits = NO_LIMITS._replace(max_queued=1, requests_per_minute=1)
    first = await queue.indexes.announce("gen_again", "me", 1, limits)
    again = await queue.indexes.announce("gen_again", "me", 1, limits)
    assert (first.outcome, again.outcome) == (Announced.NEW, Announced.BEFORE)
    assert (again.waiting, round(again.level or 0)) == (1, 1)


async def test_what_is_enqueued_waits_in_its_line_until_it_is_taken(queue: Queue, redis: Redis) -> None:
    limits = NO_LIMITS._replace(max_queued=2)
    for generation_id in ("gen_a", "gen_b"):
        assert (await queue.indexes.announce(generation_id, "me", 99, limits)).outcome is Announced.NEW
        await queue.enqueue(generation_id, owner="me")
    assert (await redis.zcard(line_key("me")), await redis.exists(announced_key("me"))) == (2, 0)
    assert await refusals(queue, limits) == (Refusal.QUEUED,)
    assert len((await queue.take("w", most=1)).jobs) == 1
    announced = await announce(queue, limits)
    assert (announced.outcome, announced.waiting) == (Announced.NEW, 2)
