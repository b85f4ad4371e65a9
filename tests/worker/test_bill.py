"""What is paid for: every attempt once, a call that was found again not twice, a replay not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from fakeredis import FakeAsyncRedis
from msgspec import UNSET

from shared.events import Attempt, Completed, Cost, Event, EventId, Failed, Response, Spent, Usage, UsageReport, encode
from shared.log import Claim, Keys, Log, Start
from shared.settings import Settings
from worker.bill import Bill
from worker.prices import Prices
from worker.writer import Writer

PRICES = {"p/*": {"input": "1", "output": "2"}, "p/dear": {"input": "10", "output": "20"}}


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    redis = FakeAsyncRedis(version=(7, 0))
    yield Log(redis)
    await redis.aclose()


def bill() -> Bill:
    return Bill(Prices(Settings.model_validate({"prices": PRICES, "simulator_url": "http://127.0.0.1:9"})))


def attempt(model: str = "m", provider: str = "p", *, continues: bool = False, **more: Any) -> bytes:
    begun = Attempt(number=1, reason="new", model=model, provider=provider, continues=continues)
    return msgspec.json.encode(msgspec.to_builtins(begun) | more)


def used(tokens: int, output: int = 0) -> Usage:
    return Usage(input_tokens=tokens, output_tokens=output)


async def write(log: Log, token: int, first: bytes, *events: Event) -> None:
    entries = [("attempt", first), *((event.type, encode(event)) for event in events)]
    for seq, (type, data) in enumerate(entries):
        await log.redis.xadd(Keys("gen_a").log, {type: data}, id=f"{token}-{seq}")


def writer(token: int, first: bytes, after: EventId, *events: Event) -> Writer:
    claim = Claim(Start.CLAIMED, token, 2, after, first)
    mine = Writer("gen_a", claim, max_log=9999, dirty=lambda _: None, restore=None, stop=lambda _: None)  # type: ignore[arg-type]
    for event in events:
        mine.put(event)
    return mine


async def test_one_attempt_is_its_usage(log: Log) -> None:
    end = Completed(finish_reason="stop", usage=used(1_000_000, 500_000))
    await bill().close(end, writer(5, attempt(), EventId(0, 0)), log)
    assert end.cost == Cost("2")
    assert end.spent is UNSET


async def test_what_earlier_attempts_used_was_paid_too(log: Log) -> None:
    await write(log, 1, attempt("dear"), UsageReport(usage=used(3)), UsageReport(usage=used(7, 1)))
    await write(log, 2, attempt())
    end = Failed(code="x", message="x", retryable=False, usage=used(5))
    await bill().close(end, writer(3, attempt(), EventId(2, 0)), log)
    assert end.spent == [Spent("p/dear", used(7, 1), Cost("0.00009")), Spent("p/m", used(5), Cost("0.000005"))]
    assert end.cost == Cost("0.000095")
    assert end.usage == used(5)


async def test_what_a_later_attempt_writes_is_not_of_this_one(log: Log) -> None:
    await write(log, 1, attempt(), UsageReport(usage=used(1)))
    await write(log, 9, attempt(), UsageReport(usage=used(99)))
    end = Completed(finish_reason="stop", usage=used(5))
    await bill().close(end, writer(5, attempt(), EventId(1, 1)), log)
    assert end.spent == [Spent("p/m", used(1), Cost("0.000001")), Spent("p/m", used(5), Cost("0.000005"))]


@pytest.mark.parametrize(("mine", "lines"), [("r1", 1), ("r2", 2), (None, 2)])
async def test_a_call_that_was_found_again_counts_once(log: Log, mine: str | None, lines: int) -> None:
    await write(log, 1, attempt(), Response(response_id="r1"), UsageReport(usage=used(4)))
    end = Completed(finish_reason="stop", usage=used(10))
    named = [Response(response_id=mine)] if mine else []
    await bill().close(end, writer(2, attempt(continues=True), EventId(1, 2), *named), log)
    spent = end.spent if end.spent is not UNSET else [Spent("p/m", used(10), end.cost)]
    assert len(spent) == lines
    assert spent[-1] == Spent("p/m", used(10), Cost("0.00001"))


async def test_a_replay_is_not_paid(log: Log) -> None:
    end = Completed(finish_reason="stop", usage=used(10), cost=Cost("0"))
    await bill().close(end, writer(2, attempt(cached=True), EventId(0, 0)), log)
    assert end.cost == Cost("0")
    assert end.spent == []
    told = Completed(finish_reason="stop", cost=Cost("0"), spent=[Spent("p/m", used(3), Cost("0.000003"))])
    await bill().close(told, writer(2, attempt(cached=True), EventId(0, 0)), log)
    assert (told.cost, told.spent) == (Cost("0"), UNSET)


async def test_one_unknown_price_makes_the_whole_unknown(log: Log) -> None:
    await write(log, 1, attempt(provider="elsewhere"), UsageReport(usage=used(4)))
    end = Completed(finish_reason="stop", usage=used(10))
    await bill().close(end, writer(2, attempt(), EventId(1, 1)), log)
    assert end.cost is None
    assert end.spent == [Spent("elsewhere/m", used(4), None), Spent("p/m", used(10), Cost("0.00001"))]


async def test_an_end_without_an_attempt_has_the_earlier_ones(log: Log) -> None:
    await write(log, 1, attempt(), UsageReport(usage=used(4)))
    end = Failed(code="worker_lost", message="x", retryable=True)
    await bill().close(end, writer(2, b"", EventId(1, 1)), log)
    assert end.cost == Cost("0.000004")
    assert end.spent == [Spent("p/m", used(4), Cost("0.000004"))]


async def test_nothing_was_asked_and_nothing_is_paid(log: Log) -> None:
    end = Failed(code="worker_lost", message="x", retryable=True)
    await bill().close(end, writer(2, b"", EventId(0, 0)), log)
    assert (end.cost, end.spent) == (None, UNSET)
    assert list(bill().spent()) == []


async def test_an_end_is_written_whatever_becomes_of_its_bill(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(Prices, "cost", broken)
    end = Completed(finish_reason="stop", usage=used(1))
    await bill().close(end, writer(2, attempt(), EventId(0, 0)), log)
    assert end.cost is None


async def test_a_completed_one_without_counts_has_no_cost(log: Log) -> None:
    end = Completed(finish_reason="stop")
    await bill().close(end, writer(2, attempt(), EventId(0, 0)), log)
    assert (end.cost, end.spent) == (None, UNSET)


async def test_the_price_is_that_of_the_model_that_answered(log: Log) -> None:
    end = Completed(finish_reason="stop", usage=used(1))
    await bill().close(end, writer(2, attempt(), EventId(0, 0), Response(model="dear")), log)
    assert end.cost == Cost("0.00001")
