"""A generation as it is answered: its times, its addresses and its state."""

from __future__ import annotations

from typing import Any

import pytest

from api.schemas import generation
from api.schemas.generation import links, summary, timestamp
from shared.log.events import (
    Attempt,
    Cancelled,
    Completed,
    Delta,
    Event,
    EventId,
    Failed,
    Part,
    Raw,
    encode,
)
from shared.log.snapshots import Snapshot
from shared.record import Record, Shown, State


def record(state: State = "running", **fields: Any) -> Record:
    known: dict[str, Any] = {
        "id": "gen_x", "owner": "o", "model": "p/m", "on_interrupt": "restart", "ttl_ms": 1, "fingerprint": "",
        "shown": b"{}", "created_ms": 1_767_225_600_000, "attempts": 1, "seal": None, "ended_ms": None,
        "cancel_requested": False, "failures": 0, "max_attempts": 3, "beside": False, "pardons": 0, "choice": 0,
    }  # fmt: skip
    return Record(**(known | {"state": state} | fields))


def snapshot(*events: Event, of: Record | None = None, asked: Shown | None = None, raw: bool = False) -> dict[str, Any]:
    said = Snapshot()
    for seq, event in enumerate(events):
        said.apply(EventId(7, seq), event.type, encode(event))
    answer = generation.snapshot(of or record(), asked or Shown(), said, raw=raw)
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
    for name in ("response", "usage", "cost", "answered_by", "finish_reason", "error", "last_event_id", "ended"):
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


def test_json_is_parsed_only_where_it_was_asked_for_and_has_ended() -> None:
    said = (attempt(), Part(part=0, kind="text"), Delta(part=0, kind="text", delta="[1]"))
    end = Completed(finish_reason="stop")
    assert snapshot(*said, end, asked=Shown(json=True))["json"] == [1]
    assert snapshot(*said, end)["json"] is None
    assert snapshot(*said, asked=Shown(json=True))["json"] is None


def test_metadata_is_as_it_was_asked() -> None:
    assert snapshot(asked=Shown(metadata={"k": "v"}))["metadata"] == {"k": "v"}


def test_raw_events_are_counted_and_listed_only_where_they_are_asked_for() -> None:
    said = (attempt(), Raw(protocol="p", data={"a": 1}), Raw(protocol="p", data=2))
    assert snapshot(*said)["raw"] == {"count": 2}
    listed = snapshot(*said, raw=True)["raw"]
    assert listed == {"count": 2, "events": [{"protocol": "p", "data": {"a": 1}}, {"protocol": "p", "data": 2}]}
