"""What is told of attempts: the model of each and what it used; what all used; and who gave the answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.schemas.attempts import (
    AttemptAnswer,
    CostAnswer,
    UsageAnswer,
    answered_by,
    attempts_of,
    is_none,
    usage_of,
)
from shared.log.events import (
    Attempt,
    Cancelled,
    Completed,
    Cost,
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
from shared.log.snapshots import Snapshot

USED, MORE = Usage(input_tokens=3, output_tokens=4), Usage(input_tokens=30, output_tokens=40)
BOTH = Usage(input_tokens=33, output_tokens=44)
COST = Cost("0.5")


def attempt(number: int = 1, model: str = "p/m", **fields: Any) -> Attempt:
    return Attempt(number=number, reason="new", model=model, provider="p", **fields)


def completed(**fields: Any) -> Completed:
    return Completed(finish_reason="stop", **fields)


def fold(*events: Event) -> Snapshot:
    said = Snapshot()
    for seq, event in enumerate(events):
        said.apply(EventId(7, seq), event.type, encode(event))
    return said


def told(*events: Event) -> list[tuple[str, int | None, str | None]]:
    """By attempt: its model, its tokens of input, and its cost."""
    lines = [AttemptAnswer.model_validate(fields) for fields in attempts_of(fold(*events))]
    return [
        (one.model, one.usage.input_tokens if one.usage else None, one.cost.amount if one.cost else None)
        for one in lines
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([attempt(), completed(usage=USED, cost=COST)], [("p/m", 3, "0.5")]),
        ([attempt(), completed(usage=USED)], [("p/m", 3, None)]),
        ([attempt(), completed()], [("p/m", None, None)]),
        ([attempt(), UsageReport(usage=USED)], [("p/m", 3, None)]),
        # Each line is of the attempt that it names; one that the provider refused has none.
        (
            [attempt(), attempt(2), attempt(3, "p/other"),
             Cancelled(usage=BOTH, spent=[Spent("p/m", USED, COST, attempt=2), Spent("p/other", MORE, attempt=3)])],
            [("p/m", None, None), ("p/m", 3, "0.5"), ("p/other", 30, None)],
        ),
        # As earlier versions wrote it: the model without its provider, and lines without a number.
        (
            [attempt(1, "m"), attempt(2, "n"),
             completed(usage=MORE, spent=[Spent("p/m", USED, COST), Spent("p/n", MORE)])],
            [("p/m", 3, "0.5"), ("p/n", 30, None)],
        ),
        (
            [attempt(1, "m"), attempt(2, "n"), completed(spent=[Spent("p/n", MORE)])],
            [("p/m", None, None), ("p/n", 30, None)],
        ),
        # A copy of another's answer was not paid for again.
        ([attempt(cached=True), UsageReport(usage=USED), completed(usage=USED, spent=[])], [("p/m", 3, "0")]),
        # A call that a later attempt went on with is in that one's.
        (
            [attempt(), Response(response_id="r", sequence_number=0), UsageReport(usage=USED, sequence_number=1),
             attempt(2, continues=True), Response(response_id="r"), UsageReport(usage=MORE)],
            [("p/m", None, None), ("p/m", 30, None)],
        ),
        ([Cancelled(usage=USED)], []),
    ],
)  # fmt: skip
def test_each_attempt_has_what_it_used(events: list[Event], expected: list[tuple[str, int | None, str | None]]) -> None:
    assert told(*events) == expected


def test_what_nobody_counted_is_said_to_be_a_guess() -> None:
    guess = Spent("p/m", USED, COST, estimated=True, attempt=1)
    first, second = attempts_of(
        fold(attempt(), attempt(2), completed(usage=MORE, spent=[guess, Spent("p/m", MORE, attempt=2)]))
    )
    assert (first["estimated"], second["estimated"]) == (True, False)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([attempt()], None),
        ([attempt(), completed(usage=USED)], USED),
        (
            [attempt(), completed(usage=BOTH, spent=[Spent("p/m", USED, attempt=1), Spent("p/m", MORE, attempt=2)])],
            BOTH,
        ),
        # Earlier versions wrote the last attempt's.
        ([attempt(), completed(usage=MORE, spent=[Spent("p/m", USED), Spent("p/m", MORE)])], BOTH),
        # A guess is in no sum.
        ([attempt(), completed(usage=USED, spent=[Spent("p/m", USED), Spent("p/m", MORE, estimated=True)])], USED),
        # While it runs, and where nobody knew at the end, it is what the attempts say themselves.
        ([attempt(), UsageReport(usage=USED), attempt(2), UsageReport(usage=MORE)], BOTH),
        ([attempt(), UsageReport(usage=USED), attempt(2), UsageReport(usage=MORE), Cancelled()], BOTH),
        (
            [attempt(), Response(response_id="r", sequence_number=0), UsageReport(usage=USED, sequence_number=1),
             attempt(2, continues=True), Response(response_id="r"), UsageReport(usage=MORE)],
            MORE,
        ),
        # Some servers call all their answers the same, and count nothing.
        (
            [attempt(), Response(response_id="r"), UsageReport(usage=USED),
             attempt(2, continues=True), Response(response_id="r"), UsageReport(usage=MORE)],
            BOTH,
        ),
    ],
)  # fmt: skip
def test_usage_is_of_all_attempts(events: list[Event], expected: Usage | None) -> None:
    assert usage_of(fold(*events)) == expected


FAILED = Failed(code="connection", message="It broke.", retryable=True)


@pytest.mark.parametrize(
    ("events", "model"),
    [
        ([], None),
        ([attempt()], None),
        ([attempt(), Part(part=0, kind="text")], "p/m"),
        ([attempt(), Part(part=0, kind="text"), attempt(2, "p/n")], None),
        ([attempt(), Part(part=0, kind="text"), attempt(2, "n"), Part(part=0, kind="text"), FAILED], "p/n"),
        ([attempt(), attempt(2, "p/n"), completed()], "p/n"),
        ([attempt(), attempt(2, "p/n"), FAILED], None),
    ],
)
def test_who_answered_is_whose_words_stand(events: list[Event], model: str | None) -> None:
    assert answered_by(fold(*events)) == model


def test_what_is_the_rule_is_not_said() -> None:
    usage = UsageAnswer.model_validate(msgspec.to_builtins(USED))
    line: dict[str, Any] = {
        "number": 1,
        "reason": "new",
        "model": "p/m",
        "provider": "p",
        "continues": False,
        "usage": usage,
    }
    plain = AttemptAnswer(**line, cost=CostAnswer(amount="1", currency="USD")).model_dump()
    assert "estimated" not in plain
    assert "at_least" not in plain["cost"]
    assert "server_tool_calls" not in plain["usage"]
    assert AttemptAnswer(**line, cost=None, estimated=True).model_dump()["estimated"] is True


def test_only_null_is_none() -> None:
    assert is_none(None)
    assert not is_none(0)
