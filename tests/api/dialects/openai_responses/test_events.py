"""The stream of a log: its events in order, and what the official SDK makes of any."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseOutputItemDoneEvent, ResponseStreamEvent

from api.dialects.openai_responses.events import OpenAIResponsesDialect
from api.dialects.openai_responses.sealed import Sealed, unseal
from shared.log import events as log
from shared.sse_decoder import SseDecoder
from tests.api.dialects.openai_responses.logs import (
    ENDS,
    TAIL,
    answered,
    attempt,
    attempts,
    call,
    completed,
    entries,
    frames,
    logs,
    subject,
    text,
    told,
    types,
    whole,
)
from worker.providers.openai_responses.reader import ResponsesReader
from worker.providers.provider import ProviderError


def finals(events: Sequence[log.Event]) -> dict[str, Any]:
    """The response object of the last event."""
    final: dict[str, Any] = told(subject(), events)[-1]["response"]
    return final


def test_the_beginning_comes_from_the_record_alone() -> None:
    created, queued = told(subject(instructions="Be brief."), [])
    assert (created["type"], created["sequence_number"]) == ("response.created", 0)
    assert (queued["type"], queued["sequence_number"]) == ("response.queued", 1)
    assert created["response"] == queued["response"]
    assert created["response"]["id"] == f"resp_{TAIL}"
    assert created["response"]["status"] == "queued"
    assert created["response"]["instructions"] == "Be brief."


def test_an_event_on_the_wire() -> None:
    said = [attempt(), log.Part(part=0, kind="text"), log.Delta(part=0, kind="text", delta='"é')]
    place = f'"item_id":"msg_{TAIL}_1_0","output_index":0,"content_index":0'
    data = f'{{"type":"response.output_text.delta",{place},"delta":"\\"é","logprobs":[],"sequence_number":5}}'
    assert frames(subject(), said)[-1] == f"event: response.output_text.delta\ndata: {data}\n\n".encode()


def test_what_is_beside_the_events() -> None:
    dialect = OpenAIResponsesDialect()
    assert dialect.heartbeat == b": \n"
    assert dialect.ending == b"data: [DONE]\n\n"
    # Breaking off is what says that there is more.
    assert dialect.drain == dialect.reset("trimmed") == dialect.queued("gen_x", 1) == dialect.opening() == b""


def test_a_text() -> None:
    assert types(subject(), [attempt(), *text(0, "a", "b"), completed()]) == [
        "created", "queued", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip


def test_a_call() -> None:
    assert types(subject(), [attempt(), *call(0, "{", "}"), completed()])[3:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done", "completed",
    ]  # fmt: skip


def test_reasoning() -> None:
    begun = log.Part(part=0, kind="reasoning", item_id="rs_1", summary=True)
    assert types(subject(), [attempt(), *whole(begun, "So."), completed()])[3:] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done", "completed",
    ]  # fmt: skip


def test_reasoning_that_is_not_told_has_no_summary() -> None:
    begun = log.Part(part=0, kind="reasoning", item_id="rs_1")
    said = [attempt(), *whole(begun, encrypted="gAAA", provider="openai"), completed()]
    assert types(subject(), said)[3:] == ["output_item.added", "output_item.done", "completed"]
    (item,) = finals(said)["output"]
    assert item["summary"] == []
    assert item["encrypted_content"] == "ms1:openai:encrypted.rs_1.gAAA"


def test_a_refusal() -> None:
    said = [attempt(), *whole(log.Part(part=0, kind="refusal"), "No."), completed()]
    assert types(subject(), said)[4:8] == [
        "content_part.added", "refusal.delta", "refusal.done", "content_part.done",
    ]  # fmt: skip
    assert finals(said)["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_texts_in_a_row_are_contents_of_one_message() -> None:
    said = [attempt(), *text(0, "a"), *text(1, "b"), *call(2, "{}"), *text(3, "c"), completed()]
    output = finals(said)["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]
    assert [one["text"] for one in output[0]["content"]] == ["a", "b"]


def test_calls_that_grow_in_turns() -> None:
    first, second = call(0, "{}"), call(1, "[]")
    said = [attempt(), first[0], second[0], second[1], first[1], *second[2:], *first[2:], completed()]
    output = finals(said)["output"]
    assert [item["arguments"] for item in output] == ["{}", "[]"]
    done = [one for one in told(subject(), said) if one["type"] == "response.output_item.done"]
    assert [one["output_index"] for one in done] == [0, 1]
    assert types(subject(), said)[3:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip


def test_an_attempt_that_starts_over_closes_what_is_void_and_leaves_it_out() -> None:
    said = [
        attempt(), log.Part(part=0, kind="text"), log.Delta(part=0, kind="text", delta='{"a'),
        attempt(2), *text(0, '{"b": 1}'), completed(),
    ]  # fmt: skip
    got = told(subject(), said)
    closed = next(one for one in got if one["type"] == "response.output_item.done")
    assert (closed["output_index"], closed["item"]["status"]) == (0, "incomplete")
    assert closed["item"]["content"][0]["text"] == '{"a'
    # Helpers parse what is told to be whole.
    assert [one["text"] for one in got if one["type"] == "response.output_text.done"] == ['{"b": 1}']
    final = got[-1]["response"]
    assert [item["content"][0]["text"] for item in final["output"]] == ['{"b": 1}']
    added = [one["output_index"] for one in got if one["type"] == "response.output_item.added"]
    assert added == [0, 1]
    assert sum(one["type"] == "response.in_progress" for one in got) == 1


def test_an_attempt_that_continues_goes_on_in_the_same_item() -> None:
    resumed = log.Part(part=0, kind="text", resumes=True)
    said = [
        attempt(), log.Part(part=0, kind="text"), log.Delta(part=0, kind="text", delta="ab"),
        attempt(2, continues=True), *whole(resumed, "cd"), completed(),
    ]  # fmt: skip
    got = told(subject(), said)
    assert sum(one["type"] == "response.output_item.added" for one in got) == 1
    assert got[-1]["response"]["output"][0]["content"][0]["text"] == "abcd"


def test_an_annotation() -> None:
    cited = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 1, "end_index": 2}
    begin, *rest = text(0, "ab")
    got = told(subject(), [attempt(), begin, log.Annotation(part=0, fields=cited), *rest, completed()])
    added = got[5]
    assert added["type"] == "response.output_text.annotation.added"
    assert (added["annotation_index"], added["annotation"]) == (0, cited)
    assert got[-1]["response"]["output"][0]["content"][0]["annotations"] == [cited]


@pytest.mark.parametrize(
    ("end", "type", "status", "details"),
    [
        (completed(), "completed", "completed", None),
        (completed(finish_reason="length"), "incomplete", "incomplete", {"reason": "max_output_tokens"}),
        (completed(finish_reason="content_filter"), "incomplete", "incomplete", {"reason": "content_filter"}),
        (completed(finish_reason="paused"), "incomplete", "incomplete", None),
        (log.Failed(code="overloaded", message="Full.", retryable=True), "failed", "failed", None),
        (log.Cancelled(), "incomplete", "cancelled", None),
    ],
)
def test_ends(end: log.End, type: str, status: str, details: dict[str, str] | None) -> None:
    last = told(subject(), [attempt(), *text(0, "a"), end])[-1]
    assert last["type"] == f"response.{type}"
    assert (last["response"]["status"], last["response"]["incomplete_details"]) == (status, details)
    assert last["response"]["output"][0]["content"][0]["text"] == "a"


def test_one_that_was_cancelled_before_it_ran() -> None:
    assert types(subject(), [log.Cancelled()]) == ["created", "queued", "incomplete"]


def test_what_is_unknown_makes_no_event() -> None:
    framer = OpenAIResponsesDialect().framer(subject())
    assert list(framer.frames((b"1-0", (b"news", b"{}")))) == []
    assert list(framer.frames((b"1-1", (b"raw", b'{"protocol":"x","data":[')))) == []


def test_a_delta_of_a_part_that_nobody_announced_begins_it() -> None:
    assert types(subject(), [attempt(), log.Delta(part=0, kind="text", delta="a")])[3:] == [
        "output_item.added", "content_part.added", "output_text.delta",
    ]  # fmt: skip


def test_lines_end_where_frames_end() -> None:
    for one in frames(subject(instructions="a\u2028b\u0085c"), [attempt(), *text(0, "x\u2028y"), completed()]):
        assert len(one.decode().splitlines()) == 3


@given(logs())
@settings(deadline=None, max_examples=60)
def test_numbers_are_dense(events: list[log.Event]) -> None:
    got = told(subject(), events)
    assert [one["sequence_number"] for one in got] == list(range(len(got)))


@given(logs())
@settings(deadline=None, max_examples=200)
def test_no_two_items_are_open_at_once(events: list[log.Event]) -> None:
    opened: int | None = None
    known: set[int] = set()
    for one in told(subject(), events):
        if (at := one.get("output_index")) is None:
            # The whole response comes when all items are done.
            assert opened is None or "response" not in one
            continue
        if one["type"] == "response.output_item.added":
            assert (opened, at) == (None, len(known))
            known.add(at)
        # One that an attempt goes on with after its end is open again, without another beginning.
        assert opened in (None, at)
        assert at in known
        opened = None if one["type"] == "response.output_item.done" else at


@given(logs())
@settings(deadline=None, max_examples=60)
def test_the_sdk_accumulates_any_stream_to_its_last_response(events: list[log.Event]) -> None:
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    got = told(subject(), events)
    for one in got:
        event: Any = construct_type(type_=ResponseStreamEvent, value=one)
        assert event.type == one["type"]
        state.handle_event(event)
    if got[-1]["type"] == "response.completed":
        final = state._completed_response
        assert final is not None
        # `parsed` and `parsed_arguments` are the SDK's own.
        assert _plain(final.to_dict()) == _plain(got[-1]["response"])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if name not in ("parsed", "parsed_arguments")}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@given(logs())
@settings(deadline=None, max_examples=60)
def test_deltas_and_items_add_up_to_the_answer(events: list[log.Event]) -> None:
    got = told(subject(), events)
    done = {one["output_index"]: one["item"] for one in got if one["type"] == "response.output_item.done"}
    added = {one["output_index"] for one in got if one["type"] == "response.output_item.added"}
    if "response" in got[-1] and got[-1]["response"]["status"] not in ("queued", "in_progress"):
        assert done.keys() == added
        stands = {item["id"] for item in got[-1]["response"]["output"]}
        assert [item for _, item in sorted(done.items()) if item["id"] in stands] == got[-1]["response"]["output"]
        assert got[-1]["response"] == answered(subject(), events)
        Response.model_validate(answered(subject(), events))


@given(logs())
@settings(deadline=None, max_examples=60)
def test_deltas_add_up_to_their_items(events: list[log.Event]) -> None:
    got = told(subject(), events)
    grown: dict[tuple[int, int], str] = {}
    for one in got:
        if "delta" in one:
            place = one["output_index"], one.get("content_index", one.get("summary_index", 0))
            grown[place] = grown.get(place, "") + one["delta"]
    done = {one["output_index"]: one["item"] for one in got if one["type"] == "response.output_item.done"}
    for (at, index), words in grown.items():
        if (item := done.get(at)) is None:
            continue
        inner = item.get("content") or item.get("summary")
        whole = (inner[index].get("text") or inner[index].get("refusal")) if inner else item["arguments"]
        assert words == whole


OURS = frozenset({"message", "reasoning", "function_call"})
"""Items that Open Responses has; it lets providers have more (specification, "Items are extensible")."""


@given(logs())
@settings(deadline=None, max_examples=60)
def test_every_event_is_one_of_open_responses(events: list[log.Event]) -> None:
    schema = pytest.importorskip("openresponses_types")
    events_of = [model for name, model in vars(schema).items() if name.endswith("StreamingEvent")]
    models = {kind.value: model for model in events_of for kind in model.model_fields["type"].annotation}
    for one in told(subject(), events):
        if one.get("item", {"type": "message"})["type"] not in OURS:
            continue
        if "response" in one:
            one["response"]["output"] = [item for item in one["response"]["output"] if item["type"] in OURS]
        models[one["type"]].model_validate(one)


@given(logs())
@settings(deadline=None, max_examples=60)
def test_every_item_is_one_of_the_sdk(events: list[log.Event]) -> None:
    for one in told(subject(), events):
        # What has begun has not all of its fields in OpenAI's streams either.
        if one["type"] == "response.output_item.done":
            ResponseOutputItemDoneEvent.model_validate(one)


def read_by_us(said: Sequence[log.Event]) -> list[Any]:
    """The events that our own reader makes of the stream of a log."""
    reader, events = ResponsesReader("openai"), list[Any]()
    for sent in SseDecoder().feed(b"".join(frames(subject(), said))):
        reader.read(sent, events)
    assert reader.ended
    return events


READABLE = ("text", "reasoning", "refusal", "tool_call")


@given(attempts(whole=True, kinds=READABLE, usual=True))
@settings(deadline=None, max_examples=60)
def test_our_own_reader_reads_it_as_it_was_said(said: list[log.Event]) -> None:
    events = read_by_us([attempt(), *said, ENDS[0]])
    assert _meaning(events) == _meaning(said)
    ended = ENDS[0]
    assert isinstance(events[-1], log.Completed)
    assert events[-1].usage == ended.usage


def _meaning(events: Sequence[Any]) -> list[dict[str, Any]]:
    """What was said, part by part, in the order in which it began to be."""
    parts: dict[int, dict[str, Any]] = {}
    for event in events:
        match event:
            case log.Part():
                fields = {"call_id": event.call_id, "name": event.name} if event.kind == "tool_call" else {}
                parts[event.part] = {"kind": event.kind, "text": "", **fields}
            case log.Delta():
                parts[event.part]["text"] += event.delta
    return [part for part in parts.values() if part["text"]]


def test_our_own_reader_reads_what_a_provider_ran() -> None:
    search = log.Part(part=0, kind="tool_call", call_id="ws", name="web_search", executor="provider")
    image = log.Part(part=1, kind="file", item_id="ig", media_type="image/webp")
    action = '{"type":"search","query":"sky"}'
    said = [attempt(), *whole(search, action), *whole(image, "UklG", "Rg=="), *text(2, "Blue."), completed()]
    events = read_by_us(said)
    parts = {event.part: event for event in events if isinstance(event, log.Part)}
    texts = {at: "".join(e.delta for e in events if isinstance(e, log.Delta) and e.part == at) for at in parts}
    found = {(parts[at].kind, parts[at].name or None, texts[at]) for at in parts}
    assert ("tool_call", "web_search", action) in found
    (file,) = [part for part in parts.values() if part.kind == "file"]
    assert (file.media_type, texts[file.part]) == ("image/webp", "UklGRg==")


def test_our_own_reader_gets_what_only_the_provider_can_read() -> None:
    thought = log.Part(part=0, kind="reasoning", item_id="rs_1", summary=True)
    events = read_by_us([attempt(), *whole(thought, "So.", encrypted="gAAA", provider="openai"), completed()])
    (end,) = [event for event in events if isinstance(event, log.PartEnd)]
    assert isinstance(end.encrypted, str)
    assert unseal(end.encrypted) == Sealed("openai", "encrypted", "rs_1", "gAAA", summary=True)


def test_the_tier_that_served_it() -> None:
    said = [attempt(), log.Response(service_tier="flex"), *text(0, "a"), completed()]
    assert finals(said)["service_tier"] == "flex"


def test_our_own_reader_takes_a_cancelled_one_as_failed() -> None:
    stream = b"".join(frames(subject(), [attempt(), *text(0, "a"), log.Cancelled()]))
    reader = ResponsesReader("openai")
    *before, last = SseDecoder().feed(stream)
    for sent in before:
        reader.read(sent, [])
    with pytest.raises(ProviderError):
        reader.read(last, [])


def test_the_same_entries_make_the_same_bytes() -> None:
    said = [attempt(), *text(0, "a"), *call(1, "{}"), completed()]
    assert frames(subject(), said) == frames(subject(), said)
    framer = OpenAIResponsesDialect().framer(subject())
    assert framer.epoch == 1
    assert json.loads(framer.opening()[0].split(b"data: ")[1])["sequence_number"] == 0
    assert len(entries(said)) == len(said)
