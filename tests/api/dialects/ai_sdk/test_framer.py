"""Any log gives a stream that a client builds a message of, with all that stands at its end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log import events
from shared.log.events import (
    Annotation,
    Attempt,
    Cancelled,
    Completed,
    Cost,
    Delta,
    Failed,
    Part,
    PartEnd,
    Raw,
    Usage,
    UsageReport,
)
from shared.log.snapshots import Snapshot
from tests.api.dialects.ai_sdk.logs import (
    DONE,
    FIRST,
    ID,
    SUBJECT,
    TAIL,
    chunks,
    data,
    entries,
    message,
    said,
    standing,
)


def text(part: int, *pieces: str) -> list[events.AnyEvent]:
    return [Part(part=part, kind="text"), *(Delta(part=part, kind="text", delta=one) for one in pieces)]


def test_a_text() -> None:
    end = Completed(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=7), cost=Cost("0.01"))
    assert chunks(*text(0, "Hi", ' "\n\u2028'), PartEnd(part=0), end) == [
        {"type": "start", "messageId": f"msg_{TAIL}", "messageMetadata": {"generation": ID, "model": "gpt-5"}},
        {"type": "start-step"},
        {"type": "text-start", "id": "0"},
        {"type": "text-delta", "id": "0", "delta": "Hi"},
        {"type": "text-delta", "id": "0", "delta": ' "\n\u2028'},
        {"type": "text-end", "id": "0"},
        {"type": "finish-step"},
        {
            "type": "finish",
            "finishReason": "stop",
            "messageMetadata": {
                "usage": {
                    "inputTokens": 3,
                    "outputTokens": 7,
                    "totalTokens": 10,
                    "reasoningTokens": 0,
                    "cachedInputTokens": 0,
                },
                "cost": {"amount": "0.01", "currency": "USD"},
            },
        },
    ]


def test_what_is_not_of_the_answer_makes_no_chunk() -> None:
    assert said(Raw(protocol="anthropic", data={}), Delta(part=0, kind="text", delta="")) == [
        {"type": "text-start", "id": "0"}
    ]
    assert said(UsageReport(usage=Usage(output_tokens=2)), DONE)[-1]["messageMetadata"]["usage"]["outputTokens"] == 2
    framer_frames = standing([FIRST])[0]
    assert framer_frames == standing([FIRST, *text(0, "")])[0][:2]


def test_reasoning_has_what_its_provider_wants_back() -> None:
    log: list[events.AnyEvent] = [
        Part(part=0, kind="reasoning", item_id="rs_1", summary=True),
        Delta(part=0, kind="reasoning", delta="Hm"),
        PartEnd(part=0, signature="c2ln", encrypted="ZW5j", provider="acme"),
    ]
    assert said(*log)[-1] == {
        "type": "reasoning-end",
        "id": "0",
        "providerMetadata": {
            "midstream": {"signature": "ms1:acme:c2ln", "encrypted": "ms1:acme:ZW5j", "itemId": "rs_1", "summary": True}
        },
    }


def test_a_refusal_is_read_as_text() -> None:
    log: list[events.AnyEvent] = [
        Part(part=0, kind="refusal"),
        Delta(part=0, kind="refusal", delta="No."),
        PartEnd(part=0),
    ]
    assert said(*log)[-1]["providerMetadata"] == {"midstream": {"refusal": True}}
    assert [part["text"] for part in message(standing([FIRST, *log, DONE])[0]).parts[1:]] == ["No."]


@pytest.mark.parametrize(("reason", "told"), [("length", "length"), ("tool_calls", "tool-calls"), ("paused", "other")])
def test_why_it_ended(reason: events.FinishReason, told: str) -> None:
    assert said(Completed(finish_reason=reason))[-1]["finishReason"] == told


def test_a_failure_is_an_error_and_a_cancel_an_abort() -> None:
    failed = Failed(code="provider_error", message="The provider failed.", retryable=True)
    ends = {"type": "text-end", "id": "0"}
    assert said(*text(0, "a"), failed)[-2:] == [ends, {"type": "error", "errorText": "The provider failed."}]
    assert said(*text(0, "a"), Cancelled())[-2:] == [ends, {"type": "abort", "reason": "cancelled"}]


def test_an_attempt_that_starts_over_begins_the_same_message_anew() -> None:
    again = Attempt(number=2, reason="worker_lost", model="acme/gpt-5", provider="acme")
    frames, epoch = standing([FIRST, *text(0, "void"), again, *text(0, "stands"), DONE])
    assert epoch == 2
    built = message(frames)
    assert (built.id, [part.get("text") for part in built.parts]) == (f"msg_{TAIL}", [None, "stands"])
    assert standing([FIRST, again, *text(0, "a")])[1] == 1


def test_an_attempt_that_goes_on_goes_on_in_the_same_part() -> None:
    onward = Attempt(number=2, reason="drained", model="acme/gpt-5", provider="acme", continues=True)
    more: list[events.AnyEvent] = [
        Part(part=0, kind="text", resumes=True),
        Delta(part=0, kind="text", delta="b"),
        PartEnd(part=0),
        DONE,
    ]
    built = message(standing([FIRST, *text(0, "a"), onward, *more])[0])
    assert [part.get("text") for part in built.parts] == [None, "ab"]
    # One that had its end cannot grow in a client.
    built = message(standing([FIRST, *text(0, "a"), PartEnd(part=0), onward, *more])[0])
    assert [part.get("text") for part in built.parts] == [None, "a", "b"]


def test_a_delta_that_no_part_has_announced() -> None:
    assert said(Delta(part=0, kind="text", delta="a")) == [
        {"type": "text-start", "id": "0"},
        {"type": "text-delta", "id": "0", "delta": "a"},
    ]
    with pytest.raises(ValueError, match="does not follow"):
        said(Delta(part=2, kind="text", delta="a"))


def test_a_file_is_told_at_its_end() -> None:
    log: list[events.AnyEvent] = [
        Part(part=0, kind="file", media_type="image/png"),
        Delta(part=0, kind="file", delta="iVB/"),
        Delta(part=0, kind="file", delta="Rw=="),
        PartEnd(part=0),
        Part(part=1, kind="file", url="https://a.example/b"),
        PartEnd(part=1),
        Part(part=2, kind="file", media_type="image/png"),
        PartEnd(part=2),
    ]
    assert said(*log) == [
        {"type": "file", "url": "data:image/png;base64,iVB/Rw==", "mediaType": "image/png"},
        {"type": "file", "url": "https://a.example/b", "mediaType": "application/octet-stream"},
    ]


def test_a_call_whose_tool_is_named_late() -> None:
    log: list[events.AnyEvent] = [
        Part(part=0, kind="tool_call", call_id="c"),
        Delta(part=0, kind="tool_call", delta='{"a"'),
        Part(part=0, kind="tool_call", name="get"),
        Delta(part=0, kind="tool_call", delta=":1}"),
        PartEnd(part=0),
    ]
    assert said(*log) == [
        {"type": "tool-input-start", "toolCallId": "c", "toolName": "get"},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"a"'},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": ":1}"},
        {"type": "tool-input-available", "input": {"a": 1}, "toolCallId": "c", "toolName": "get"},
    ]


def test_what_broke_off_is_no_call() -> None:
    log: list[events.AnyEvent] = [
        Part(part=0, kind="tool_call", call_id="c", name="get", executor="client"),
        Delta(part=0, kind="tool_call", delta='{"a"'),
    ]
    for end in (Cancelled(), Completed(finish_reason="length"), Failed(code="x", message="y", retryable=False)):
        assert not [chunk for chunk in said(*log, end) if chunk["type"] in ("tool-input-available", "tool-input-error")]
    assert [chunk["type"] for chunk in said(*log, DONE)][2] == "tool-input-error"


def test_a_message_that_goes_on_is_told_whole() -> None:
    echo = {
        "message": "m7",
        "earlier": [{"type": "step-start"}, {"type": "text", "text": "Before"}],
        "metadata": {"mine": 1, "generation": "gen_old"},
    }
    subject = replace(SUBJECT, echo=echo)
    frames, _ = standing([FIRST, *text(0, "after"), DONE], subject)
    assert data(frames)[0]["messageMetadata"] == {"mine": 1, "generation": ID, "model": "gpt-5"}
    built = message(frames)
    assert built.id == "m7"
    assert [part.get("text", part["type"]) for part in built.parts] == ["start-step", "Before", "start-step", "after"]


pieces = st.text(max_size=6) | st.sampled_from(['"', "\\", "\u2028", "\x85", "\n\n", "ä😀", "data: [DONE]\n\n"])


executors = st.sampled_from(["client", "provider"])
KINDS: list[events.PartKind] = ["text", "reasoning", "refusal", "tool_call", "tool_result", "file"]


@st.composite
def attempts(draw: st.DrawFn, number: int) -> list[events.AnyEvent]:
    """An attempt whose parts grow by turns, and end or not."""
    log: list[events.AnyEvent] = []
    kinds: list[events.PartKind] = []
    ended: set[int] = set()
    for _ in range(draw(st.integers(0, 12))):
        if not kinds or draw(st.booleans()):
            kind = draw(st.sampled_from(KINDS))
            fields: dict[str, Any] = {}
            if kind in ("tool_call", "tool_result"):
                fields = {"call_id": draw(st.sampled_from(["a", "b"])), "name": draw(st.sampled_from(["f", "g"]))}
                fields["executor"] = "provider" if kind == "tool_result" else draw(executors)
            log.append(Part(part=len(kinds), kind=kind, **fields))
            kinds.append(kind)
        at = draw(st.integers(0, len(kinds) - 1))
        if at in ended:
            continue
        if draw(st.booleans()):
            log.append(Delta(part=at, kind=kinds[at], delta="QQ==" if kinds[at] == "file" else draw(pieces)))
        else:
            log.append(PartEnd(part=at))
            ended.add(at)
    if draw(st.booleans()):
        log.append(Annotation(part=0, fields={"type": "url_citation", "url": "https://a.example", "title": "A"}))
    return [Attempt(number=number, reason="new", model="a/b", provider="a", continues=draw(st.booleans())), *log]


@given(st.integers(1, 3).flatmap(lambda count: st.tuples(*map(attempts, range(1, count + 1)))))
def test_any_log_gives_a_message_with_all_that_stands(log: tuple[list[events.AnyEvent], ...]) -> None:
    whole = [event for attempt in log for event in attempt]
    whole = [replace_first(whole[0]), *whole[1:], DONE]
    frames, _ = standing(whole)
    built = message(frames)
    snapshot = Snapshot()
    for event_id, (type, value) in entries(whole):
        token, seq = event_id.split(b"-")
        snapshot.apply(events.EventId(int(token), int(seq)), type.decode(), value)
    assert built.ended == "finish"
    for kinds, name in ((("text", "refusal"), "text"), (("reasoning",), "reasoning")):
        told = sorted(part["text"] for part in built.parts if part["type"] == name and part["text"])
        assert told == sorted(part.text for part in snapshot.parts if part.kind in kinds and part.text)
    calls = [part for part in built.parts if part["type"] == "tool"]
    assert len(calls) >= sum(part.kind == "tool_call" for part in snapshot.parts)
    assert all(part["state"] == "done" for part in built.parts if part["type"] in ("text", "reasoning"))
    assert json.dumps(built.parts)


def replace_first(event: events.AnyEvent) -> Attempt:
    assert isinstance(event, Attempt)
    return Attempt(number=1, reason="new", model=event.model, provider=event.provider)
