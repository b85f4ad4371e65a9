"""The fold of a log."""

from __future__ import annotations

import pytest

from shared import events
from shared.events import EventId, encode
from shared.snapshots import Snapshot


def fold(*said: events.Event) -> Snapshot:
    snapshot = Snapshot()
    for seq, event in enumerate(said):
        snapshot.apply(EventId(7, seq), event.type, encode(event))
    return snapshot


def attempt(number: int, *, continues: bool = False) -> events.Attempt:
    return events.Attempt(number=number, reason="new", model="m", provider="p", continues=continues)


def text(part: int, said: str) -> tuple[events.Event, events.Event]:
    return events.Part(part=part, kind="text"), events.Delta(part=part, kind="text", delta=said)


def test_an_attempt_that_starts_over_drops_what_was_said() -> None:
    usage = events.UsageReport(usage=events.Usage(output_tokens=5))
    snapshot = fold(attempt(1), *text(0, "old"), usage, attempt(2), *text(0, "new"))
    assert snapshot.text == "new"
    assert snapshot.usage is None
    assert [line.number for line in snapshot.attempts] == [1, 2]
    assert snapshot.last == EventId(7, 6)


def test_an_attempt_that_continues_adds() -> None:
    snapshot = fold(attempt(1), *text(0, "one "), attempt(2, continues=True), *text(0, "two"))
    assert snapshot.text == "one two"
    assert len(snapshot.parts) == 2


def test_reasoning_and_tools_are_parts_and_no_text() -> None:
    snapshot = fold(
        attempt(1),
        events.Part(part=0, kind="reasoning"),
        events.Delta(part=0, kind="reasoning", delta="hm"),
        events.PartEnd(part=0),
        events.Part(part=1, kind="tool_call", call_id="c", name="f"),
        events.Delta(part=1, kind="tool_call", delta="{}"),
        *text(2, "done"),
        events.Completed(finish_reason="tool_calls", usage=events.Usage(output_tokens=9)),
    )
    assert snapshot.text == "done"
    assert [(part.kind, part.text, part.ended) for part in snapshot.parts] == [
        ("reasoning", "hm", True),
        ("tool_call", "{}", False),
        ("text", "done", False),
    ]
    assert (snapshot.parts[1].call_id, snapshot.parts[1].name) == ("c", "f")
    assert isinstance(snapshot.end, events.Completed)
    assert snapshot.usage == events.Usage(output_tokens=9)


def test_unknown_types_are_passed_over_and_broken_data_is_not() -> None:
    snapshot = fold(attempt(1))
    snapshot.apply(EventId(7, 1), "hologram", b"{}")
    assert snapshot.last == EventId(7, 1)
    with pytest.raises(ValueError, match="does not follow"):
        snapshot.apply(EventId(7, 2), "delta", b'{"part":1000000000,"kind":"text","delta":"x"}')
