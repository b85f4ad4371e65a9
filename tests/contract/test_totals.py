"""Totals: each generation counts once, whatever dies between its seal and the count, and nothing is rounded."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Completed, Cost, Event, Failed, Spent, Usage
from shared.log.guarded_log import Log, WriteOutcome
from shared.queue.queue import Queue
from shared.storage.clock import read_server
from shared.storage.keys import COUNTED_KEY, PENDING_KEY, QUEUE_KEY, GenerationKeys
from shared.usage import MAX_MODELS_PER_DAY, OTHER_MODEL, TOKEN_COUNTERS, Ended, Totals, ended, read_ended
from tests.contract.accepting import accept, batch, claim
from worker.billing.prices import Prices
from worker.maintenance.sweeper import Sweeper

DAY_MS = 86_400_000
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 3)
START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


def of(identity: str = "gen_a", *, owner: str = "me", model: str = "p/m", day: int = 0, **more: Any) -> Ended:
    fields: dict[str, Any] = {"state": "completed", "ended_ms": START_MS + day * DAY_MS, "keep_ms": 60_000}
    return Ended(**(fields | {"id": identity, "owner": owner, "model": model} | more))


def paid(amount: str | None, model: str = "p/m", **tokens: Any) -> Spent:
    return Spent(model, Usage(**tokens), None if amount is None else Cost(amount))


async def test_counts_by_day_and_by_model(queue: Queue, redis: Redis) -> None:
    lines = [
        paid("0.000000000001", input_tokens=5, output_tokens=2, cached_tokens=3),
        paid(None, "q/n", output_tokens=9),
    ]
    ends = [of("a", spent=lines), of("b", day=1, state="failed"), of("c", owner="you")]
    assert await queue.indexes.settle([], ends) == ends
    totals = Totals(redis)
    by_day = await totals.read("me", FIRST, LAST, "day")
    assert list(by_day) == ["2026-01-01", "2026-01-02"]
    assert dict(by_day["2026-01-01"].counts) == {
        "completed": 1, "unpriced": 1, "cost:USD": 1, "input_tokens": 5, "output_tokens": 11, "cached_tokens": 3,
        "cache_write_tokens": 0, "reasoning_tokens": 0,
    }  # fmt: skip
    assert by_day["2026-01-01"].costs == {"USD": Decimal("1e-12")}
    assert dict(by_day["2026-01-02"].counts) == {"failed": 1}
    by_model = await totals.read("me", FIRST, LAST, "model")
    assert [(name, total.counts["output_tokens"]) for name, total in by_model.items()] == [("p/m", 2), ("q/n", 9)]
    assert dict((await totals.read("you", FIRST, LAST, "model"))["p/m"].counts) == {"completed": 1, "unpriced": 1}
    assert await totals.read("me", date(2025, 1, 1), date(2025, 12, 31), "day") == {}


async def test_a_repeated_post_is_not_counted_again(queue: Queue, redis: Any) -> None:
    for _ in range(3):
        # It puts the id into the pending index, also that of a generation which has ended and was settled.
        await queue.indexes.announce("gen_a", "me", most=9)
        await queue.indexes.settle(["gen_a"], [of()])
        assert await redis.zcard(PENDING_KEY) == 0
    assert (await Totals(redis).read("me", FIRST, LAST, "model"))["p/m"].counts["completed"] == 1


async def test_what_was_counted_is_forgotten_in_time(queue: Queue, redis: Any) -> None:
    await queue.indexes.settle([], [of("a", keep_ms=1), of("b")])
    await asyncio.sleep(0.005)
    await queue.indexes.settle(["x"])
    assert await redis.zrange(COUNTED_KEY, 0, -1) == [b"b"]
    assert 0 < await redis.ttl("midstream:usage:me:2026-01-01") <= queue.indexes.usage_ttl


async def test_a_day_is_bounded(queue: Queue, redis: Any) -> None:
    await queue.indexes.settle([], [of(f"gen_{i}", model=f"p/{i}") for i in range(MAX_MODELS_PER_DAY + 5)])
    await queue.indexes.settle([], [of("gen_known", model="p/0"), of("gen_more", model="p/more?seed=1")])
    found = await Totals(redis).read("me", FIRST, LAST, "model")
    assert len(found) == MAX_MODELS_PER_DAY + 1
    assert (found["p/0"].counts["completed"], found[OTHER_MODEL].counts["completed"]) == (2, 6)


async def test_a_number_that_is_too_large_keeps_nobody_else_from_being_counted(queue: Queue, redis: Any) -> None:
    await queue.indexes.announce("gen_a", "me", most=9)
    await queue.indexes.settle(
        ["gen_a"], [of("gen_a", spent=[paid("1", output_tokens=1 << 70, input_tokens=4)]), of("gen_b")]
    )
    counts = (await Totals(redis).read("me", FIRST, LAST, "model"))["p/m"].counts
    assert (counts["completed"], counts["input_tokens"], counts["output_tokens"]) == (2, 4, 0)
    assert await redis.zcard(PENDING_KEY) == 0


async def test_without_memory_it_is_counted_too(queue: Queue, redis: Any) -> None:
    if redis.__class__.__name__.startswith("Fake"):
        return  # it has no maxmemory
    await queue.indexes.announce("gen_a", "me", most=9)
    await redis.config_set("maxmemory", 1)
    try:
        assert await queue.indexes.settle(["gen_a"], [of()]) == [of()]
    finally:
        await redis.config_set("maxmemory", 0)
    assert await redis.zcard(PENDING_KEY) == 0


MODEL_NAMES = st.sampled_from(["p/m", "p/n", "q/m"])
COUNT = st.integers(min_value=0, max_value=10**6)
USAGES = st.builds(Usage, **dict.fromkeys(TOKEN_COUNTERS, COUNT))
COSTS = st.none() | st.builds(
    Cost, st.decimals(min_value=0, max_value=1000, places=12).map(lambda amount: f"{amount:f}")
)  # fmt: skip
LINES = st.lists(st.builds(Spent, MODEL_NAMES, USAGES, COSTS), max_size=3)
ENDS: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda spent: Completed(finish_reason="stop", spent=spent), LINES),
    st.builds(lambda spent: Failed(code="x", message="x", retryable=False, spent=spent), LINES),
    st.builds(lambda spent: Cancelled(spent=spent), LINES),
)
WHAT_HAPPENS = st.lists(
    st.sampled_from(["settled", "settled twice", "worker dies", "worker dies, deleted", "settled, posted again"]),
    min_size=1,
    max_size=6,
)


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(happenings=WHAT_HAPPENS, data=st.data())
async def test_totals_are_the_sum_over_generations_whatever_dies(
    redis: Any, queue: Queue, generations: Generations, log: Log, settings: Settings, happenings: list[str], data: Any
) -> None:
    while (await read_server(redis)).young(generations.durability.retaken_ms):
        await asyncio.sleep(0.05)  # such a young one is not swept
    await redis.flushall()
    sweeper = Sweeper(queue, generations, settings, Prices(Settings(simulator_url="http://127.0.0.1:9")))
    expected: dict[str, Counter[str]] = {}
    for number, happening in enumerate(happenings):
        owner = data.draw(st.sampled_from(["me", "you"]))
        identity = await accept(generations, owner=owner)
        record = (await generations.find(identity)).record
        assert record is not None
        claimed = await claim(log, identity)
        end = data.draw(ENDS)
        assert (await log.append(batch(identity, claimed, 1, [end]))).outcome is WriteOutcome.OK
        await redis.zrem(QUEUE_KEY, identity)
        await redis.hincrby(GenerationKeys(identity).record, "ended", -generations.durability.synced_ms)
        mine = ended(record, claimed.first, claimed.token, end)
        assert mine == await read_ended(log, record), "worker and sweeper would count otherwise"
        match happening:
            case "settled" | "settled, posted again":
                await queue.indexes.settle([identity], [mine])
            case "settled twice":
                await queue.indexes.settle([identity], [mine, mine])
                await queue.indexes.settle([identity], [mine])
            case "worker dies, deleted":
                await generations.delete(owner, identity)
        if happening == "settled, posted again":
            await queue.indexes.announce(identity, owner, 99)
        for name, counts in mine.counts().items():
            expected.setdefault(f"{owner} {name}", Counter()).update(counts)
        if number % 2:
            await swept(sweeper, redis)
    await swept(sweeper, redis)
    assert await redis.zrange(PENDING_KEY, 0, -1) == [] or "worker dies, deleted" in happenings
    today = await Totals(redis).today()
    for by in ("model", "day"):
        for owner in ("me", "you"):
            found = await Totals(redis).read(owner, date.fromordinal(today.toordinal() - 1), today, by)
            got = sum((total.counts for total in found.values()), Counter())
            assert +got == +sum((c for name, c in expected.items() if name.startswith(owner)), Counter())
            if by == "model":
                assert {f"{owner} {name}" for name in found} == {n for n in expected if n.startswith(owner)}


async def swept(sweeper: Sweeper, redis: Any) -> None:
    for identity in await redis.zrange(PENDING_KEY, 0, -1):
        await redis.zincrby(PENDING_KEY, -60_000, identity)
    await sweeper.sweep()


def test_every_count_of_usage_is_totalled() -> None:
    """Calls of a provider's own tools are none of tokens."""
    assert {*TOKEN_COUNTERS, "server_tool_calls"} == set(Usage.__struct_fields__)


async def test_who_settles_hears_what_was_counted_now(queue: Queue) -> None:
    """Each generation counts once, and so it does in the metrics of whoever settles it first."""
    assert await queue.indexes.settle(["gen_a", "gen_b"], [of("a"), of("b")]) == [of("a"), of("b")]
    assert await queue.indexes.settle(["gen_a"], [of("a"), of("c"), of("b"), of("d")]) == [of("c"), of("d")]
    assert await queue.indexes.settle(["gen_a"]) == []
