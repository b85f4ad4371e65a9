"""What is paid for: every attempt once, a call that was found again not twice, a replay not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Any

import msgspec
import pytest
from fakeredis import FakeAsyncRedis
from msgspec import UNSET

from shared.config.settings import Settings
from shared.log.events import (
    Attempt,
    Cancelled,
    Completed,
    Cost,
    Delta,
    Event,
    EventId,
    Failed,
    Part,
    Response,
    Spent,
    Usage,
    UsageReport,
    encode,
)
from shared.log.guarded_log import Claim, ClaimOutcome, Log
from shared.storage.keys import GenerationKeys
from worker.billing.bill import Bill, is_refused
from worker.billing.prices import Prices
from worker.requests import token_estimate
from worker.writing.writer import Writer

PRICES = {"p/*": {"input": "1", "output": "2"}, "p/dear": {"input": "10", "output": "20"}}


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    redis = FakeAsyncRedis(version=(7, 0))
    yield Log(redis)
    await redis.aclose()


REQUEST = b'{"model":"p/m","messages":[{"role":"user","content":"12345678"}]}'
"""Of two tokens, if nobody counts."""


def bill(refused: Collection[int] = ()) -> Bill:
    endpoint = {"protocol": "openai-chat", "base_url": "http://127.0.0.1:9/v1"}
    prices = Prices(Settings.model_validate({"prices": PRICES, "providers": {"p": endpoint}}))
    return Bill(prices, partial(token_estimate.characters, REQUEST), refused)


def attempt(model: str = "m", provider: str = "p", *, continues: bool = False, **more: Any) -> bytes:
    begun = Attempt(number=1, reason="new", model=model, provider=provider, continues=continues)
    return msgspec.json.encode(msgspec.to_builtins(begun) | more)


def line(model: str, usage: Usage, cost: Cost | None = None, **more: Any) -> Spent:
    """What an attempt with the number of `attempt` has spent."""
    return Spent(model, usage, cost, attempt=1, **more)


def used(tokens: int, output: int = 0) -> Usage:
    return Usage(input_tokens=tokens, output_tokens=output)


async def write(log: Log, token: int, first: bytes, *events: Event) -> None:
    entries = [("attempt", first), *((event.type, encode(event)) for event in events)]
    for seq, (type, data) in enumerate(entries):
        await log.redis.xadd(GenerationKeys("gen_a").log, {type: data}, id=f"{token}-{seq}")


def writer(token: int, first: bytes, after: EventId, *events: Event) -> Writer:
    claim = Claim(ClaimOutcome.CLAIMED, token, 2, after, first)
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
    assert end.spent == [
        line("p/dear", used(7, 1), Cost("0.00009", at_least=True)),
        line("p/m", used(2), Cost("0.000002"), estimated=True),
        line("p/m", used(5), Cost("0.000005", at_least=True)),
    ]
    assert end.cost == Cost("0.000095", at_least=True)
    assert end.usage == used(12, 1), "all that was counted, and no guess"


async def test_what_a_later_attempt_writes_is_not_of_this_one(log: Log) -> None:
    await write(log, 1, attempt(), UsageReport(usage=used(1)))
    await write(log, 9, attempt(), UsageReport(usage=used(99)))
    end = Completed(finish_reason="stop", usage=used(5))
    await bill().close(end, writer(5, attempt(), EventId(1, 1)), log)
    assert end.spent == [
        line("p/m", used(1), Cost("0.000001", at_least=True)),
        line("p/m", used(5), Cost("0.000005")),
    ]


@pytest.mark.parametrize(("mine", "lines"), [("r1", 1), ("r2", 2), (None, 2)])
async def test_a_call_that_was_found_again_counts_once(log: Log, mine: str | None, lines: int) -> None:
    await write(log, 1, attempt(), Response(response_id="r1"), UsageReport(usage=used(4)))
    end = Completed(finish_reason="stop", usage=used(10))
    named = [Response(response_id=mine)] if mine else []
    await bill().close(end, writer(2, attempt(continues=True), EventId(1, 2), *named), log)
    spent = end.spent if end.spent is not UNSET else [line("p/m", used(10), end.cost)]
    assert len(spent) == lines
    assert spent[-1] == line("p/m", used(10), Cost("0.00001"))


async def test_a_replay_is_not_paid(log: Log) -> None:
    end = Completed(finish_reason="stop", usage=used(10), cost=Cost("0"))
    await bill().close(end, writer(2, attempt(cached=True), EventId(0, 0)), log)
    assert end.cost == Cost("0")
    assert end.spent == []
    told = Completed(finish_reason="stop", cost=Cost("0"), spent=[line("p/m", used(3), Cost("0.000003"))])
    await bill().close(told, writer(2, attempt(cached=True), EventId(0, 0)), log)
    assert (told.cost, told.spent) == (Cost("0"), UNSET)


async def test_one_unknown_price_makes_the_whole_a_lower_bound(log: Log) -> None:
    await write(log, 1, attempt(provider="elsewhere"), UsageReport(usage=used(4)))
    end = Completed(finish_reason="stop", usage=used(10))
    await bill().close(end, writer(2, attempt(), EventId(1, 1)), log)
    assert end.cost == Cost("0.00001", at_least=True)
    assert end.spent == [line("elsewhere/m", used(4), None), line("p/m", used(10), Cost("0.00001"))]


async def test_an_end_without_an_attempt_has_the_earlier_ones(log: Log) -> None:
    await write(log, 1, attempt(), UsageReport(usage=used(4)))
    end = Failed(code="worker_lost", message="x", retryable=True)
    await bill().close(end, writer(2, b"", EventId(1, 1)), log)
    assert end.cost == Cost("0.000004", at_least=True)
    assert end.spent == [line("p/m", used(4), end.cost)]


async def test_nothing_was_asked_and_nothing_is_paid(log: Log) -> None:
    end = Failed(code="worker_lost", message="x", retryable=True)
    await bill().close(end, writer(2, b"", EventId(0, 0)), log)
    assert (end.cost, end.spent) == (None, UNSET)
    assert await bill().spent() == []


async def test_an_end_is_written_whatever_becomes_of_its_bill(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(Prices, "cost", broken)
    end = Completed(finish_reason="stop", usage=used(1))
    await bill().close(end, writer(2, attempt(), EventId(0, 0)), log)
    assert end.cost is None


async def test_a_completed_one_without_counts_has_no_cost_and_an_estimate(log: Log) -> None:
    end = Completed(finish_reason="stop")
    mine = writer(2, attempt(), EventId(0, 0), Part(part=0, kind="text"), Delta(part=0, kind="text", delta="12345"))
    await bill().close(end, mine, log)
    assert end.cost is None
    assert end.spent == [line("p/m", used(2, 2), Cost("0.000006"), estimated=True)]


TEXT = Delta(part=0, kind="text", delta="x" * 40)
FILE = Delta(part=1, kind="file", delta="x" * 4000)


async def test_what_nobody_counted_is_estimated_and_is_in_no_cost(log: Log) -> None:
    """A lost attempt, one that had just been asked, one that was thinking; and the last one, which was counted."""
    await write(log, 1, attempt(), Response(request_id="r"), TEXT, FILE)
    await write(log, 2, attempt(provider="elsewhere"))
    await write(log, 3, attempt(), Delta(part=0, kind="reasoning", delta="x" * 8))
    end = Completed(finish_reason="stop", usage=used(5))
    await bill().close(end, writer(4, attempt(), EventId(3, 1)), log)
    assert end.spent == [
        line("p/m", used(2, 10), Cost("0.000022"), estimated=True),
        line("elsewhere/m", used(2), None, estimated=True),
        line("p/m", used(2, 2), Cost("0.000006"), estimated=True),
        line("p/m", used(5), Cost("0.000005")),
    ]
    assert end.cost == Cost("0.000005", at_least=True)


@pytest.mark.parametrize("end", [Cancelled(), Failed(code="provider_timeout", message="x", retryable=True)])
async def test_an_end_without_counts_has_an_estimate(log: Log, end: Cancelled | Failed) -> None:
    await bill().close(end, writer(2, attempt(), EventId(0, 0), TEXT), log)
    assert (end.cost, end.spent) == (None, [line("p/m", used(2, 10), Cost("0.000022"), estimated=True)])


async def test_what_an_attempt_continues_was_asked_along(log: Log) -> None:
    await write(log, 1, attempt(), TEXT)
    await write(log, 2, attempt(continues=True), Response(response_id="r2"), TEXT)
    end = Cancelled()
    await bill().close(end, writer(3, attempt(continues=True), EventId(2, 2), TEXT), log)
    assert end.spent is not UNSET
    assert [line.usage for line in end.spent] == [used(2, 10), used(12, 10), used(22, 10)]


NUMBERED = Delta(part=0, kind="text", delta="x" * 40, sequence_number=3)


@pytest.mark.parametrize(("counted", "estimated"), [(None, True), (used(9, 1), UNSET)])
async def test_a_call_that_was_found_again_has_one_estimate(log: Log, counted: Usage | None, estimated: Any) -> None:
    reports = [UsageReport(usage=counted)] if counted else []
    await write(log, 1, attempt(), Response(response_id="r"), NUMBERED, *reports)
    end = Cancelled()
    mine = writer(2, attempt(continues=True), EventId(1, 2 + len(reports)), Response(response_id="r"), TEXT)
    await bill().close(end, mine, log)
    assert end.spent is not UNSET
    (only,) = end.spent
    assert (only.usage, only.estimated) == (counted or used(2, 20), estimated)


async def test_calls_of_a_server_that_calls_all_its_answers_the_same_are_several(log: Log) -> None:
    await write(log, 1, attempt(), Response(response_id="r"), TEXT)
    end = Cancelled()
    await bill().close(end, writer(2, attempt(continues=True), EventId(1, 2), Response(response_id="r"), TEXT), log)
    assert end.spent is not UNSET
    assert [line.usage for line in end.spent] == [used(2, 10), used(12, 10)]


async def test_nobody_charges_for_a_refusal(log: Log) -> None:
    await write(log, 1, attempt())
    await write(log, 2, attempt())
    end = Failed(code="rate_limit", message="x", retryable=True)
    await bill([1]).close(end, writer(3, attempt(), EventId(2, 0)), log)
    assert end.spent == [line("p/m", used(2), Cost("0.000002"), estimated=True)], "the second is not known"
    alone = Failed(code="rate_limit", message="x", retryable=True)
    await bill().close(alone, writer(3, attempt(), EventId(0, 0)), log)
    assert (alone.cost, alone.spent) == (None, UNSET)


@pytest.mark.parametrize(
    ("code", "put", "refused"),
    [
        ("rate_limit", [], True),
        ("provider_timeout", [], False),
        ("connection", [Response(request_id="r")], False),
        ("overloaded", [TEXT], False),
    ],
)
def test_which_failures_are_refusals(code: str, put: list[Event], refused: bool) -> None:
    failed = Failed(code=code, message="x", retryable=True)
    assert is_refused(failed, writer(1, attempt(), EventId(0, 0), *put)) is refused


async def test_a_copy_after_a_paid_attempt_has_that_ones_cost(log: Log) -> None:
    await write(log, 1, attempt(), UsageReport(usage=used(4)))
    end = Completed(finish_reason="stop", usage=used(10), cost=Cost("0"))
    await bill().close(end, writer(2, attempt(cached=True), EventId(1, 1)), log)
    assert end.cost == Cost("0.000004", at_least=True)
    assert end.spent == [line("p/m", used(4), end.cost)]


async def test_itemised_it_says_what_its_own_numbers_imply(log: Log) -> None:
    end = Cancelled(usage=used(5))
    await bill().close(end, writer(2, attempt(), EventId(0, 0)), log, itemised=True)
    assert end.spent == [line("p/m", used(5), Cost("0.000005", at_least=True))]
