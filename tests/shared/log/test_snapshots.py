"""The fold of a log."""

from __future__ import annotations

import pytest

from shared.errors import TooDeepError
from shared.log import events
from shared.log.events import EventId, encode
from shared.log.snapshots import MAX_RAW_BYTES, MAX_RAW_LISTED, Snapshot


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


def test_each_part_knows_what_the_present_attempt_calls_it() -> None:
    begun = (attempt(1), events.Part(part=0, kind="reasoning"), *text(1, "one "))
    assert [part.place for part in fold(*begun).parts] == [0, 1]
    continued = (*begun, attempt(2, continues=True))
    assert [part.place for part in fold(*continued).parts] == [None, None]
    resumed = events.Part(part=0, kind="text", resumes=True)
    snapshot = fold(*continued, resumed, *text(1, "new"))
    assert [part.place for part in snapshot.parts] == [None, 0, 1]
    # So what follows can be folded into it.
    snapshot.apply(EventId(8, 0), "delta", encode(events.Delta(part=0, kind="text", delta="two")))
    assert [part.text for part in snapshot.parts if part.place == 0] == ["one two"]


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


def test_a_part_that_resumes_goes_on_in_its_place() -> None:
    snapshot = fold(
        attempt(1),
        events.Response(response_id="r", request_id="q"),
        events.Part(part=0, kind="tool_call", item_id="i", call_id="c", name="f"),
        events.Delta(part=0, kind="tool_call", delta='{"a":'),
        *text(1, "x"),
        attempt(2, continues=True),
        events.Response(request_id="q2"),
        events.Part(part=0, kind="tool_call", item_id="i", resumes=True, executor="client"),
        events.Delta(part=0, kind="tool_call", delta="1}"),
        events.Annotation(part=0, fields={"n": 1}),
        events.PartEnd(part=0, signature="s", provider="p"),
        events.PartEnd(part=7),
    )
    call, said = snapshot.parts
    assert (call.text, call.call_id, call.name, call.executor, call.ended) == ('{"a":1}', "c", "f", "client", True)
    assert (call.signature, call.provider, call.annotations) == ("s", "p", [{"n": 1}])
    assert (said.text, said.ended, said.annotations) == ("x", False, [])
    assert (snapshot.response_id, snapshot.request_id) == ("r", "q2")


def test_raw_events_are_counted_and_listed_as_far_as_the_bounds_go() -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    raws = [events.Raw(protocol="p", data=data) for data in (deep, "x" * MAX_RAW_BYTES, *range(MAX_RAW_LISTED + 1))]
    begun = [attempt(1), *text(0, "x"), events.Annotation(part=0, fields={"deep": deep})]
    snapshot = fold(*begun, *raws)
    assert snapshot.raw_count == len(raws)
    assert [raw.data for raw in snapshot.raw] == list(range(MAX_RAW_LISTED))
    assert snapshot.parts[0].annotations == []
    snapshot = fold(*begun, *(events.Raw(protocol="p", data="x" * (MAX_RAW_BYTES // 2)) for _ in range(9)))
    assert (snapshot.raw_count, len(snapshot.raw)) == (9, 1)
    snapshot = fold(attempt(1), *raws, attempt(2))
    assert (snapshot.raw_count, snapshot.raw) == (0, [])


def test_what_older_versions_let_nest_takes_no_snapshot_along() -> None:
    snapshot = fold(attempt(1), *text(0, "x"))
    deep = b"[" * 990 + b"]" * 990
    for type, data in (
        ("raw", b'{"protocol":"p","data":' + deep + b"}"),
        ("annotation", b'{"part":0,"fields":{"a":' + deep + b"}}"),
    ):
        with pytest.raises(TooDeepError):
            events.decode(type, data)
        snapshot.apply(EventId(1, 9), type, data)
    assert (snapshot.text, snapshot.raw_count, snapshot.raw) == ("x", 1, [])


def test_what_came_with_the_answer_is_kept() -> None:
    snapshot = fold(
        attempt(1),
        events.Response(response_id="r", system_fingerprint="fp", service_tier="auto"),
        *text(0, "one "),
        events.Delta(part=0, kind="text", delta="two", logprobs=[{"token": "two", "logprob": -1}]),
        events.Delta(part=0, kind="text", delta="", logprobs=[{"token": "<end>", "logprob": -2}]),
        events.Annotation(part=0, fields={}, protocol="openai-chat"),
        events.Part(part=1, kind="tool_result", result_type="mcp_call", is_error=True),
        events.Response(response_id="r", system_fingerprint="fp", service_tier="flex"),
    )
    said, result = snapshot.parts
    assert said.text == "one two"
    assert [token["token"] for token in said.logprobs or ()] == ["two", "<end>"]
    assert (said.annotation_protocol, said.is_error, said.result_type) == ("openai-chat", None, None)
    assert (result.is_error, result.result_type, result.logprobs) == (True, "mcp_call", None)
    assert (snapshot.system_fingerprint, snapshot.service_tier) == ("fp", "flex")
    snapshot.apply(EventId(8, 0), "attempt", encode(attempt(2)))
    assert (snapshot.parts, snapshot.system_fingerprint, snapshot.service_tier) == ([], None, None)
