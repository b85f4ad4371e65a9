"""Usage and cost of real generations, in their ends and in their owner's totals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from msgspec import UNSET
from redis.asyncio import Redis

from shared.config.settings import PriceSettings, Settings
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Completed, Cost, Spent, Usage, UsageReport, decode
from shared.storage.keys import PENDING_KEY, GenerationKeys
from shared.storage.lua_script import LuaScript
from shared.usage import TIME_COUNTERS, Totals
from tests.worker.conftest import Midstream, said_something, working

PRICE = PriceSettings(input=Decimal(3), output=Decimal(15))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"prices": {"simulator-anthropic/*": PRICE}})


async def totals(redis: Redis) -> dict[str, Counter[str]]:
    """The owner's, by model, without times (tests/worker/running/test_timings.py has those)."""
    today = await Totals(redis).today()
    found = await Totals(redis).read("local", today, today, "model")
    return {
        name: Counter({what: count for what, count in total.counts.items() if count > 0 and what not in TIME_COUNTERS})
        for name, total in found.items()
    }


async def counted(redis: Any, generations: int = 1) -> dict[str, Counter[str]]:
    """The totals, once so many generations are in them and nothing is pending."""
    states = ("completed", "failed", "cancelled", "deleted")
    async with asyncio.timeout(15):
        while True:
            found = await totals(redis)
            if sum(c[s] for c in found.values() for s in states) >= generations and not await redis.zcard(PENDING_KEY):
                return found
            await asyncio.sleep(0.02)


def charge(*usages: Usage) -> Decimal:
    return sum((u.input_tokens * PRICE.input + u.output_tokens * PRICE.output for u in usages), Decimal(0)) / 1_000_000


async def test_every_attempt_is_paid_and_counted(
    settings: Settings, midstream: Midstream, redis: Redis, key: str
) -> None:
    async with working(settings):
        model = f"simulator-anthropic/lorem?deltas=9&rate=0&fault=reset@4&times=1&key={key}"
        events = await midstream.ended(await midstream.ask(model))
        found = await counted(redis)
    end = events[-1]
    assert isinstance(end, Completed)
    assert end.spent is not UNSET
    assert end.usage is not None
    first, last = (line.usage for line in end.spent)
    assert [line.attempt for line in end.spent] == [1, 2]
    assert first == next(event.usage for event in events if isinstance(event, UsageReport))
    assert first + last == end.usage
    assert first.input_tokens > 0
    assert end.cost is not None
    assert Decimal(end.cost.amount) == charge(first, last)
    assert end.cost.at_least is True
    assert found == {
        "simulator-anthropic/lorem": Counter(
            {
                "completed": 1,
                "input_tokens": first.input_tokens + last.input_tokens,
                "output_tokens": first.output_tokens + last.output_tokens,
                "cost:USD": int(charge(first, last).scaleb(12)),
                "partly": 1,
            }
        )
    }


async def test_a_fallback_is_counted_by_model(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    async with working(settings):
        ask = midstream.ask("simulator-anthropic/lorem?deltas=9&rate=0&fault=reset@4", fallback=["simulator/echo"])
        end = (await midstream.ended(await ask))[-1]
        found = await counted(redis)
    assert isinstance(end, Completed)
    assert end.usage is not None
    assert found["simulator/echo"]["output_tokens"] > 0
    assert sum(counts["output_tokens"] for counts in found.values()) == end.usage.output_tokens
    assert found["simulator/echo"]["completed"] == 1
    assert found["simulator-anthropic/lorem"]["input_tokens"] > 0
    assert found["simulator-anthropic/lorem"]["completed"] == 0


async def test_a_replay_is_counted_without_its_tokens(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    async with working(settings):
        ask: dict[str, Any] = {"model": "simulator-anthropic/lorem?deltas=3&rate=0", "cache": {"ttl": 60}}
        first = (await midstream.ended(await midstream.ask(**ask)))[-1]
        again = (await midstream.ended(await midstream.ask(**ask)))[-1]
        found = await counted(redis, 2)
    assert isinstance(first, Completed)
    assert isinstance(again, Completed)
    assert again.cost == Cost("0")
    assert first.cost is not None
    assert first.usage is not None
    assert first.usage == again.usage
    counts = found["simulator-anthropic/lorem"]
    assert (counts["completed"], counts["cached"]) == (2, 1)
    assert counts["output_tokens"] == first.usage.output_tokens
    assert counts["cost:USD"] == int(Decimal(first.cost.amount).scaleb(12))


async def test_a_worker_that_dies_after_the_seal_leaves_it_to_another_to_count(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    async with working(settings):
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=3&rate=0"))
    assert await totals(redis) == {}
    async with working(settings):
        found = await counted(redis)
    assert found["simulator/lorem"]["completed"] == 1
    assert found["simulator/lorem"]["output_tokens"] > 0


async def test_cancelled_while_it_ran_has_its_cost(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    async with working(settings):
        generation_id = await midstream.ask("simulator-anthropic/lorem?deltas=500&rate=50")
        await midstream.until(generation_id, said_something)
        await midstream.generations.cancel(generation_id)
        end = (await midstream.ended(generation_id))[-1]
        found = await counted(redis)
    assert isinstance(end, Cancelled)
    assert end.usage is not None
    assert end.cost == Cost(f"{charge(end.usage).normalize():f}", at_least=True)
    assert found["simulator-anthropic/lorem"]["cancelled"] == 1
    assert found["simulator-anthropic/lorem"]["cost:USD"] > 0


async def test_handed_over_and_cancelled_in_the_queue(
    settings: Settings, midstream: Midstream, generations: Generations, redis: Redis
) -> None:
    """The API writes that end, and knows nothing of what the attempt before it used."""
    generation_id = await midstream.ask("simulator-anthropic/lorem?deltas=500&rate=50")
    async with working(settings):
        entries = await midstream.until(generation_id, said_something)
        # As a worker that leaves does it; it is fenced then.
        keys = GenerationKeys(generation_id)
        token = entries[-1].id.token
        await redis.hset(keys.record, mapping={"state": "queued", "token": token + 1})  # type: ignore[misc]
        assert await generations.cancel(generation_id) == "cancelled"
        found = await counted(redis)
    usage = next(decode(entry.type, entry.data) for entry in entries if entry.type == "usage")
    assert isinstance(usage, UsageReport)
    assert found["simulator-anthropic/lorem"]["input_tokens"] == usage.usage.input_tokens
    assert found["simulator-anthropic/lorem"]["cost:USD"] == int(charge(usage.usage).scaleb(12))
    assert sum(counts["cancelled"] for counts in found.values()) == 1


async def test_deleted_between_the_seal_and_the_count(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    """By an API that had not seen the seal: it leaves a tombstone and no log, and only the worker knows."""
    async with working(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=3&rate=0")
        await midstream.ended(generation_id)
        keys = GenerationKeys(generation_id)
        await LuaScript("shared/generations/delete.lua")(redis, [keys.record, keys.log, keys.tombstone])
        found = await counted(redis)
    assert found["simulator/lorem"]["completed"] == 1
    assert found["simulator/lorem"]["output_tokens"] > 0


async def test_deleting_hides_nothing_from_the_totals(
    settings: Settings, midstream: Midstream, generations: Generations, redis: Redis
) -> None:
    async with working(settings):
        running = await midstream.ask("simulator-anthropic/lorem?deltas=500&rate=50")
        await midstream.until(running, said_something)
        over = await midstream.ask("simulator/lorem?deltas=3&rate=0")
        end = (await midstream.ended(over))[-1]
        for generation_id in (running, over):
            await generations.delete("local", generation_id)
        found = await counted(redis, 2)
    assert isinstance(end, Completed)
    assert end.usage is not None
    assert found["simulator/lorem"] == Counter({"completed": 1} | {
        name: count for name in Usage.__struct_fields__ if (count := getattr(end.usage, name))
    })  # fmt: skip
    assert found["simulator-anthropic/lorem"]["deleted"] == 1
    assert found["simulator-anthropic/lorem"]["input_tokens"] > 0


async def test_what_a_leaving_worker_used_is_in_the_end_that_the_api_writes(
    settings: Settings, midstream: Midstream, generations: Generations, redis: Redis
) -> None:
    generation_id = await midstream.ask("simulator-anthropic/lorem?deltas=500&rate=50")
    settings.drain_timeout = 0.0
    async with working(settings) as worker:
        await midstream.until(generation_id, said_something)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(worker, 10)
    assert await generations.cancel(generation_id) == "cancelled"
    events = await midstream.ended(generation_id)
    end, used = events[-1], next(event.usage for event in events if isinstance(event, UsageReport))
    assert isinstance(end, Cancelled)
    assert end.usage == used
    assert end.cost == Cost(f"{charge(used).normalize():f}", at_least=True)
    assert end.spent == [Spent("simulator-anthropic/lorem?deltas=500&rate=50", used, end.cost, attempt=1)]
    async with working(settings):
        found = await counted(redis)
    assert found["simulator-anthropic/lorem"]["cost:USD"] == int(charge(used).scaleb(12))
    assert sum(counts["cancelled"] for counts in found.values()) == 1


async def test_what_nobody_counted_is_unpriced(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    """A worker that is lost, and a cancel, at a provider that counts at the end."""
    settings.prices["simulator/*"] = PRICE
    lost = await midstream.ask("simulator/lorem?deltas=40&rate=40")
    async with working(settings):
        await midstream.until(lost, said_something)
    async with working(settings):
        cancelled = await midstream.ask("simulator/clock?deltas=500&rate=40")
        await midstream.until(cancelled, said_something)
        await midstream.generations.cancel(cancelled)
        ends = [(await midstream.ended(generation_id))[-1] for generation_id in (lost, cancelled)]
        found = await counted(redis, 2)
    assert isinstance(ends[0], Completed)
    assert ends[0].usage is not None
    assert ends[0].cost == Cost(f"{charge(ends[0].usage).normalize():f}", at_least=True)
    for end, lines in zip(ends, (2, 1), strict=True):
        assert isinstance(end, Completed | Cancelled)
        assert end.spent is not UNSET
        assert [line.estimated is True for line in end.spent] == [True, False][:lines]
        assert end.spent[0].usage.output_tokens > 0
    assert isinstance(ends[1], Cancelled)
    assert ends[1].cost is None
    for name in ("lorem", "clock"):
        counts = found[f"simulator/{name}"]
        assert counts["unpriced"] == 1
        assert counts["estimate:USD"] > 0
    assert found["simulator/clock"]["cost:USD"] == found["simulator/clock"]["output_tokens"] == 0


async def test_a_refusal_costs_nothing_and_leaves_nothing_out(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    async with working(settings.model_copy(update={"retries": 0})):
        ask = midstream.ask("simulator/lorem?fault=429", fallback=["simulator-anthropic/echo"])
        end = (await midstream.ended(await ask))[-1]
        found = await counted(redis)
    assert isinstance(end, Completed)
    assert end.usage is not None
    assert end.cost == Cost(f"{charge(end.usage).normalize():f}")
    assert end.spent is UNSET
    assert sum(counts["unpriced"] for counts in found.values()) == 0
