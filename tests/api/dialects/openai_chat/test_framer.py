"""A log as chunks: what official SDKs make of them, whatever was logged, and what our own reader makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from api.dialects.openai_chat.framer import ChatFramer
from api.viewing.dialect import Subject
from shared.log.events import (
    Annotation,
    AnyEvent,
    Attempt,
    Cancelled,
    Completed,
    Delta,
    Failed,
    Part,
    PartEnd,
    Raw,
    Response,
    Usage,
    UsageReport,
)
from tests.api.dialects.openai_chat.logs import (
    DONE,
    FIRST,
    ID,
    SUBJECT,
    data,
    deltas,
    entries,
    framed,
    logs,
    standing,
    texts,
)

TEXT: list[AnyEvent] = [Part(part=0, kind="text"), Delta(part=0, kind="text", delta="Hi"), PartEnd(part=0)]
USAGE = Usage(input_tokens=7, output_tokens=5, cached_tokens=2, reasoning_tokens=1)
NAME = ID.replace("gen_", "chatcmpl-")


def restart(number: int) -> Attempt:
    return Attempt(number=number, reason="provider_error", model="acme/gpt-5", provider="acme")


def call(part: int, *pieces: str, name: str = "f") -> list[AnyEvent]:
    begun = Part(part=part, kind="tool_call", call_id=f"c{part}", name=name, executor="client")
    return [begun, *(Delta(part=part, kind="tool_call", delta=piece) for piece in pieces)]


def test_the_first_chunk_comes_from_the_record_alone() -> None:
    (chunk,) = data(ChatFramer(SUBJECT).opening())
    assert chunk == {
        "id": NAME,
        "object": "chat.completion.chunk",
        "created": 1_767_225_600,
        "model": "gpt-5",
        "system_fingerprint": None,
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        ],
        "usage": None,
    }


def test_a_text_its_end_and_its_usage() -> None:
    chunks = data(framed([FIRST, *TEXT, Completed(finish_reason="length", usage=USAGE)]))
    assert [choice for chunk in chunks[1:] for choice in chunk["choices"]] == [
        {"index": 0, "delta": {"content": "Hi"}, "logprobs": None, "finish_reason": None},
        {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"},
    ]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 12
    assert {chunk["usage"] for chunk in chunks[:-1]} == {None}


def test_usage_is_told_as_it_was_asked() -> None:
    subject = Subject(id=ID, created_ms=0, model="gpt-5", echo={"include_usage": False})
    chunks = data(framed([FIRST, *TEXT, Completed(finish_reason="stop", usage=USAGE)], subject))
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


def test_usage_that_nobody_counted_is_not_made_up() -> None:
    assert all(chunk["choices"] for chunk in data(framed([FIRST, *TEXT, DONE])))
    reported = data(framed([FIRST, *TEXT, UsageReport(usage=USAGE), DONE]))
    assert reported[-1]["usage"]["prompt_tokens"] == 7


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("content_filter", "content_filter"),
        ("paused", "stop"), ("other", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons(said: Any, told: str) -> None:
    chunks = data(framed([FIRST, *TEXT, Completed(finish_reason=said)]))
    assert chunks[-1]["choices"][0]["finish_reason"] == told


def test_reasoning_and_refusals_have_fields_of_their_own() -> None:
    log: list[AnyEvent] = [
        FIRST,
        Part(part=0, kind="reasoning"),
        Delta(part=0, kind="reasoning", delta="Hm."),
        PartEnd(part=0),
        Part(part=1, kind="refusal"),
        Delta(part=1, kind="refusal", delta="No."),
        DONE,
    ]
    assert deltas(log)[:-1] == [{"reasoning_content": "Hm."}, {"refusal": "No."}]


def test_the_clients_calls_are_counted_and_the_providers_are_left_out() -> None:
    log: list[AnyEvent] = [
        FIRST,
        Part(part=0, kind="tool_call", call_id="s", name="web_search", executor="provider"),
        Delta(part=0, kind="tool_call", delta="{}"),
        Part(part=1, kind="tool_result", call_id="s"),
        Delta(part=1, kind="tool_result", delta="[]"),
        *call(2, '{"a"', ":1}"),
        DONE,
    ]
    begun = {"index": 0, "id": "c2", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(log)[:-1] == [
        {"tool_calls": [begun]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
    ]


def test_calls_by_turns_come_one_after_the_other() -> None:
    first, second = call(0, '{"a":', "1}"), call(1, '{"b":', "2}")
    by_turns = [event for pair in zip(first, second, strict=True) for event in pair]
    indexes = [one["tool_calls"][0]["index"] for one in deltas([FIRST, *by_turns, DONE])[:-1]]
    assert indexes == [0, 0, 0, 1, 1, 1]


def test_a_call_that_is_whole_holds_none_back() -> None:
    framer = ChatFramer(SUBJECT)
    log = entries([FIRST, *call(0, "{}"), *call(1, "{")])
    assert [len(list(framer.frames(entry))) for entry in log] == [0, 1, 1, 1, 1]


def test_a_signature_goes_with_its_call_wrapped() -> None:
    log = [FIRST, *call(0, "{}"), PartEnd(part=0, signature="S=", provider="gemini"), DONE]
    signed = {"google": {"thought_signature": "ms1:gemini:S="}}
    assert deltas(log)[2] == {"tool_calls": [{"index": 0, "function": {"arguments": ""}, "extra_content": signed}]}


def test_opaque_reasoning_comes_whole_with_all_of_its_item() -> None:
    log: list[AnyEvent] = [
        FIRST,
        Part(part=0, kind="reasoning", item_id="rs", summary=True),
        Delta(part=0, kind="reasoning", delta="A"),
        PartEnd(part=0),
        Part(part=1, kind="reasoning", item_id="rs", summary=True),
        Delta(part=1, kind="reasoning", delta="B"),
        PartEnd(part=1, encrypted="E", provider="openai-responses"),
        Part(part=2, kind="reasoning"),
        Delta(part=2, kind="reasoning", delta="C"),
        PartEnd(part=2, signature="S", provider="anthropic"),
        DONE,
    ]
    assert deltas(log)[2] == {
        "reasoning_details": [
            {"type": "reasoning.summary", "summary": "A", "id": "rs", "index": 0},
            {"type": "reasoning.summary", "summary": "B", "id": "rs", "index": 1},
            {"type": "reasoning.encrypted", "data": "ms1:openai-responses:E", "id": "rs", "index": 2},
        ]
    }
    signed = {"type": "reasoning.text", "text": "C", "signature": "ms1:anthropic:S", "index": 3}
    assert deltas(log)[4] == {"reasoning_details": [signed]}


def test_files_are_images_at_their_end_and_sound_as_it_comes() -> None:
    log: list[AnyEvent] = [
        FIRST,
        Part(part=0, kind="file", media_type="image/png"),
        Delta(part=0, kind="file", delta="aGk"),
        Delta(part=0, kind="file", delta="="),
        PartEnd(part=0),
        Part(part=1, kind="file", url="https://example.com/a.png"),
        PartEnd(part=1),
        Part(part=2, kind="file", item_id="audio_1"),
        Delta(part=2, kind="file", delta="aGk="),
        PartEnd(part=2),
        DONE,
    ]
    assert deltas(log)[:-1] == [
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}, "index": 0}]},
        {"images": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "index": 1}]},
        {"audio": {"id": "audio_1", "expires_at": 1_767_225_600, "transcript": ""}},
        {"audio": {"data": "aGk="}},
    ]


def test_citations_are_one_list_before_the_end() -> None:
    cited = {"type": "url_citation", "url": "https://example.com/", "title": "T", "start_index": 0, "end_index": 2}
    log = [FIRST, TEXT[0], TEXT[1], Annotation(part=0, fields=cited), PartEnd(part=0), DONE]
    told = {"start_index": 0, "end_index": 2, "title": "T", "url": "https://example.com/"}
    assert deltas(log)[1] == {"annotations": [{"type": "url_citation", "url_citation": told}]}


@pytest.mark.parametrize(("kind", "field"), [("text", "content"), ("reasoning", "content"), ("refusal", "refusal")])
def test_logprobs_stand_beside_their_delta(kind: Any, field: str) -> None:
    token = {"token": "Hi\u2028", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    weighed = Delta(part=0, kind=kind, delta="Hi\u2028", logprobs=[token])
    late = Delta(part=0, kind=kind, delta="", logprobs=[token])
    chunks = data(framed([FIRST, Part(part=0, kind=kind), weighed, late, DONE]))[1:-1]
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks] == [
        {"content": None, "refusal": None} | {field: [token]}
    ] * 2


def test_what_answers_is_named_from_when_it_is_known() -> None:
    log = [FIRST, Response(system_fingerprint="fp"), Response(service_tier="flex"), *TEXT, DONE]
    chunks = data(framed(log))
    assert [chunk["system_fingerprint"] for chunk in chunks] == [None, "fp", "fp"]
    assert ["service_tier" in chunk for chunk in chunks] == [False, True, True]
    # Of an attempt that is void nothing stands, though it said nothing else.
    assert data(framed([*log[:3], restart(2), *TEXT, DONE]))[-1]["system_fingerprint"] is None


def test_a_failure_and_a_cancel_stand_in_the_stream() -> None:
    failed = Failed(code="rate_limit", message="acme: slow down", retryable=True)
    assert data(framed([FIRST, *TEXT, failed]))[-1] == {
        "error": {
            "message": "acme: slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded",
        }
    }  # fmt: skip
    assert data(framed([FIRST, *TEXT, Cancelled()]))[-1]["error"]["code"] == "cancelled"


def test_an_attempt_that_starts_over_begins_another_epoch() -> None:
    frames, epoch = standing([FIRST, *TEXT, restart(2), *TEXT, DONE])
    chunks = data(frames)
    assert epoch == 2
    assert {chunk["id"] for chunk in chunks} == {f"{NAME}-2"}
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(chunks) == 3


def test_an_attempt_that_said_nothing_stands() -> None:
    spent: list[AnyEvent] = [
        Response(response_id="r"),
        UsageReport(usage=USAGE),
        Raw(protocol="openai-chat", data={"a": 1}),
    ]
    log: list[AnyEvent] = [FIRST, *spent, Part(part=0, kind="text"), restart(2), *TEXT, DONE]
    frames, epoch = standing(log)
    assert epoch == 1
    assert frames == framed(log)
    assert deltas(log) == [{"content": "Hi"}, {}]
    # What it has used is not what the answer has used.
    assert all(chunk["choices"] for chunk in data(frames))


def test_an_attempt_that_goes_on_goes_on() -> None:
    log: list[AnyEvent] = [
        FIRST,
        *call(0, "{}"),
        PartEnd(part=0),
        Part(part=1, kind="text"),
        Delta(part=1, kind="text", delta="Hel"),
        Attempt(number=2, reason="drained", model="acme/gpt-5", provider="acme", continues=True),
        Part(part=0, kind="text", resumes=True),
        Delta(part=0, kind="text", delta="lo"),
        *call(1, "{}"),
        DONE,
    ]
    told = deltas(log)
    assert "".join(one.get("content", "") for one in told) == "Hello"
    assert [one["tool_calls"][0]["index"] for one in told if "tool_calls" in one] == [0, 0, 1, 1]
    assert standing(log)[1] == 1


def test_calls_that_go_on_keep_their_turns() -> None:
    begun = call(0, '{"a"') + call(1, '{"b"')
    goes_on = Attempt(number=2, reason="drained", model="acme/gpt-5", provider="acme", continues=True)
    resumed: list[AnyEvent] = [Part(part=at, kind="tool_call", item_id=f"i{at}", resumes=True) for at in (0, 1)]
    for event in begun:
        if isinstance(event, Part):
            event.item_id = f"i{event.part}"
    rest = [Delta(part=at, kind="tool_call", delta=":1}") for at in (1, 0)]
    log: list[AnyEvent] = [FIRST, *begun, goes_on, *resumed, *rest, PartEnd(part=0), PartEnd(part=1), DONE]
    pieces = [one["tool_calls"][0] for one in deltas(log)[:-1]]
    assert [(one["index"], one["function"]["arguments"]) for one in pieces] == [
        (0, ""), (0, '{"a"'), (0, ":1}"), (1, ""), (1, '{"b"'), (1, ":1}"),
    ]  # fmt: skip


def test_old_logs_open_parts_without_a_word() -> None:
    assert deltas([FIRST, Delta(part=0, kind="text", delta="Hi"), DONE]) == [{"content": "Hi"}, {}]
    with pytest.raises(ValueError, match="part 3 does not follow part -1"):
        framed([FIRST, Delta(part=3, kind="text", delta="Hi")])


def test_what_is_not_known_makes_no_event() -> None:
    framer = ChatFramer(SUBJECT)
    deep = b'{"t":0,"part":0,"fields":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}"
    assert list(framer.frames((b"1-0", (b"novelty", b"{}")))) == []
    assert list(framer.frames((b"1-1", (b"annotation", deep)))) == []


@given(texts, st.permutations(["t", "part", "kind", "delta", "novelty"]))
def test_a_delta_is_read_whatever_the_order_of_its_fields(text: str, names: list[str]) -> None:
    framer = ChatFramer(SUBJECT)
    for entry in entries([FIRST, Part(part=0, kind="text")]):
        framer.frames(entry)
    fields = {"t": 5, "part": 0, "kind": "text", "delta": text, "novelty": {"delta": "x"}}
    written = json.dumps({name: fields[name] for name in names}).encode()
    (frame,) = framer.frames((b"1-2", (b"delta", written)))
    assert data([frame])[0]["choices"][0]["delta"] == {"content": text}


@given(logs())
@settings(max_examples=150)
def test_each_event_is_one_line_that_the_sdk_validates(log: list[AnyEvent]) -> None:
    for chunk in data(framed(log)):
        if "error" not in chunk:
            ChatCompletionChunk.model_validate(chunk)


@given(logs(), st.data())
@settings(max_examples=100)
def test_frames_depend_on_nothing_but_what_was_logged(log: list[AnyEvent], draw: st.DataObject) -> None:
    whole = framed(log)
    cut = draw.draw(st.integers(0, len(log)))
    begun = framed(log[:cut])
    assert whole[: len(begun)] == begun
