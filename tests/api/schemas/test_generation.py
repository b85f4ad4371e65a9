"""A generation as it is answered: its times, its addresses, its state, and what its attempts were paid."""

from __future__ import annotations

from typing import Any

import pytest

from api.schemas import generation
from api.schemas.generation import CostAnswer, SpentAnswer, UsageAnswer, links, summary, timestamp
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
    Spent,
    Usage,
    encode,
)
from shared.log.snapshots import Snapshot
from shared.record import Record, Shown, State

USED = Usage(input_tokens=3, output_tokens=4)
COST = Cost("0.5")


def record(state: State = "running", **fields: Any) -> Record:
    known: dict[str, Any] = {
        "id": "gen_x", "owner": "o", "model": "p/m", "on_interrupt": "restart", "ttl_ms": 1, "fingerprint": "",
        "shown": b"{}", "created_ms": 1_767_225_600_000, "attempts": 1, "seal": None, "ended_ms": None,
        "cancel_requested": False, "failures": 0, "max_attempts": 3, "beside": False, "pardons": 0, "choice": 0,
    }  # fmt: skip
    return Record(**(known | {"state": state} | fields))


def snapshot(*events: Event, of: Record | None = None, asked: Shown | None = None) -> dict[str, Any]:
    said = Snapshot()
    for seq, event in enumerate(events):
        said.apply(EventId(7, seq), event.type, encode(event))
    answer = generation.snapshot(of or record(), asked or Shown(), said)
    return answer.model_dump(mode="json", by_alias=True)


def attempt(model: str = "m", **fields: Any) -> Attempt:
    return Attempt(number=1, reason="new", model=model, provider="p", **fields)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
        (1_767_225_600_001, "2026-01-01T00:00:00.001Z"),
        (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_utc_with_milliseconds(milliseconds: int, text: str) -> None:
    assert timestamp(milliseconds) == text


def test_all_its_addresses_are_below_its_own() -> None:
    told = links("gen_x")
    assert told.self == "/v1/generations/gen_x"
    assert (told.events, told.cancel) == (f"{told.self}/events", f"{told.self}/cancel")


def test_it_has_ended_when_its_record_says_so() -> None:
    assert summary(record())["ended"] is None
    assert summary(record("failed", ended_ms=0))["ended"] == "1970-01-01T00:00:00.000Z"


def test_nothing_said_yet_is_empty_and_null() -> None:
    told = snapshot(of=record("queued", attempts=0))
    assert (told["state"], told["text"], told["parts"], told["attempts"]) == ("queued", "", [], [])
    for name in ("response", "usage", "cost", "spent", "finish_reason", "error", "last_event_id", "ended"):
        assert told[name] is None, name


@pytest.mark.parametrize(
    "end",
    [Completed(finish_reason="stop"), Cancelled(), Failed(code="connection", message="It broke.", retryable=True)],
)
def test_a_log_that_has_ended_is_believed_before_its_record(end: Event) -> None:
    told = snapshot(attempt(), end, of=record("running"))
    assert told["state"] == end.type
    assert told["last_event_id"] == "7-1"
    assert (told["finish_reason"] is None) is not isinstance(end, Completed)
    assert (told["error"] is not None) is isinstance(end, Failed)


@pytest.mark.parametrize(
    ("events", "spent"),
    [
        ([attempt(), Completed(finish_reason="stop", usage=USED, cost=COST)], [("p/m", "0.5")]),
        ([attempt(), Completed(finish_reason="stop", usage=USED)], [("p/m", None)]),
        # What the end says wins over what would be derived.
        ([attempt(), Cancelled(usage=USED, spent=[Spent("q/a", USED, COST), Spent("q/b", USED)])],
         [("q/a", "0.5"), ("q/b", None)]),
        ([attempt(), Cancelled(usage=USED, spent=[])], []),
        # A copy of another's answer was not paid for again.
        ([attempt(cached=True), Completed(finish_reason="stop", usage=USED)], []),
        ([attempt(), Completed(finish_reason="stop")], []),
        ([Cancelled(usage=USED)], []),
    ],
)  # fmt: skip
def test_what_was_paid_is_told_attempt_by_attempt(events: list[Event], spent: list[tuple[str, str | None]]) -> None:
    told = snapshot(*events)["spent"]
    assert [(line["model"], line["cost"] and line["cost"]["amount"]) for line in told] == spent
    assert all(line["usage"]["input_tokens"] == 3 for line in told)


def test_json_is_parsed_only_where_it_was_asked_for_and_has_ended() -> None:
    said = (attempt(), Part(part=0, kind="text"), Delta(part=0, kind="text", delta="[1]"))
    end = Completed(finish_reason="stop")
    assert snapshot(*said, end, asked=Shown(json=True))["json"] == [1]
    assert snapshot(*said, end)["json"] is None
    assert snapshot(*said, asked=Shown(json=True))["json"] is None


def test_metadata_is_as_it_was_asked() -> None:
    assert snapshot(asked=Shown(metadata={"k": "v"}))["metadata"] == {"k": "v"}


def test_what_is_the_rule_is_not_said() -> None:
    usage = UsageAnswer(input_tokens=1, output_tokens=1, cached_tokens=0, cache_write_tokens=0, reasoning_tokens=0)
    spent = SpentAnswer(model="p/m", usage=usage, cost=CostAnswer(amount="1", currency="USD"))
    assert "estimated" not in spent.model_dump()
    assert "at_least" not in spent.model_dump()["cost"]
    spent = SpentAnswer(model="p/m", usage=usage, cost=None, estimated=True)
    assert spent.model_dump()["estimated"] is True
