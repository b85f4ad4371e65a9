"""A log as a stream of Messages: the events, and what Anthropic's SDK makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from anthropic import APIStatusError
from hypothesis import given, settings
from hypothesis import strategies as st

from api.dialects.anthropic_messages.answer import answer
from api.dialects.anthropic_messages.events import AnthropicMessagesDialect
from api.dialects.opaque import wrap
from shared.log.events import (
    Annotation,
    Attempt,
    Cancelled,
    Completed,
    Delta,
    Event,
    Failed,
    Part,
    PartEnd,
    Response,
    Usage,
    UsageReport,
)
from shared.sse_decoder import SseDecoder
from tests.api.dialects.anthropic_messages.conftest import SUBJECT, TAIL, entries, folded, framed, sent
from tests.api.dialects.anthropic_messages.logs import logs
from worker.providers.anthropic.reader import MessagesReader
from worker.providers.provider import ProviderEvent

Accumulate = Callable[[bytes], dict[str, Any]]

FIRST = Attempt(number=1, reason="new", model="m", provider="p")
END = Completed(finish_reason="stop", raw_finish_reason="end_turn")


def attempt(number: int, *, continues: bool) -> Attempt:
    return Attempt(number=number, reason="worker_lost", model="m", provider="p", continues=continues)


def text(part: int, *texts: str, kind: Any = "text") -> list[Event]:
    return [Part(part=part, kind=kind), *(Delta(part=part, kind=kind, delta=said) for said in texts)]


def call(part: int, call_id: str, name: str = "f") -> Part:
    return Part(part=part, kind="tool_call", call_id=call_id, name=name, executor="client")


def arguments(part: int, said: str) -> Delta:
    return Delta(part=part, kind="tool_call", delta=said)


def blocks(said: list[dict[str, Any]]) -> list[str]:
    """The events of blocks, in short: what began, grew and ended, and where."""
    kinds = {"content_block_start": "+", "content_block_delta": "~", "content_block_stop": "-"}
    return [f"{kinds[one['type']]}{one['index']}" for one in said if one["type"] in kinds]


def test_a_stream_begins_with_the_message_of_the_record() -> None:
    dialect = AnthropicMessagesDialect()
    (opening,) = dialect.framer(SUBJECT).opening()
    assert opening.startswith(b"event: message_start\ndata: {")
    assert opening.endswith(b"}\n\n")
    (said,) = sent([])
    assert said["message"] == {
        "id": f"msg_{TAIL}",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        },
    }


def test_what_is_beside_the_events() -> None:
    dialect = AnthropicMessagesDialect()
    assert dialect.heartbeat == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert [dialect.opening(), dialect.queued("gen_x", 1), dialect.drain, dialect.reset("trimmed"), dialect.ending] == [
        b""
    ] * 5


def test_a_text() -> None:
    usage = Usage(input_tokens=10, cached_tokens=3, cache_write_tokens=2, output_tokens=5)
    said = sent([FIRST, *text(0, "Hi", " you"), PartEnd(part=0), Completed(finish_reason="stop", usage=usage)])
    assert said[1:] == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " you"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 5,
                "cache_creation_input_tokens": 2,
                "cache_read_input_tokens": 3,
                "output_tokens": 5,
            },
        },
        {"type": "message_stop"},
    ]


def test_line_ends_of_unicode_stay_escaped() -> None:
    stream, _ = framed([FIRST, *text(0, "a\u2028b\u0085"), call(1, "\u2029"), PartEnd(part=0), END])
    assert b"a\\u2028b\\u0085" in stream
    assert len(stream.decode().splitlines()) == stream.count(b"\n")


def test_thinking_is_signed_in_the_name_of_its_provider() -> None:
    said = sent([FIRST, *text(0, "Hm", kind="reasoning"), PartEnd(part=0, signature="c2ln", provider="anthropic"), END])
    assert said[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert said[2]["delta"] == {"type": "thinking_delta", "thinking": "Hm"}
    assert said[3]["delta"] == {"type": "signature_delta", "signature": wrap("anthropic", "c2ln")}
    assert said[4] == {"type": "content_block_stop", "index": 0}


def test_thinking_without_text_is_signed_or_redacted_or_nothing() -> None:
    log = [
        FIRST,
        *(Part(part=part, kind="reasoning") for part in range(3)),
        PartEnd(part=0, signature="s", provider="p"),
        PartEnd(part=1, encrypted="e", provider="p"),
        PartEnd(part=2),
        END,
    ]
    said = sent(log)
    assert blocks(said) == ["+0", "~0", "-0", "+1", "-1"]
    assert said[4]["content_block"] == {"type": "redacted_thinking", "data": wrap("p", "e")}


def test_what_begins_meanwhile_waits_for_the_end_of_a_block() -> None:
    log: list[Event] = [
        FIRST,
        call(0, "a"),
        arguments(0, '{"x":'),
        call(1, "b", "g"),
        arguments(1, '{"y"'),
        arguments(0, "1}"),
        arguments(1, ": 2}"),
    ]
    assert blocks(sent(log)) == ["+0", "~0", "~0"]
    log += [PartEnd(part=0), PartEnd(part=1), Completed(finish_reason="tool_calls")]
    said = sent(log)
    assert blocks(said) == ["+0", "~0", "~0", "~0", "-0", "+1", "~1", "~1", "-1"]
    assert said[6]["content_block"] == {"type": "tool_use", "id": "b", "name": "g", "input": {}}
    assert said[7]["delta"]["partial_json"] + said[8]["delta"]["partial_json"] == '{"y": 2}'
    assert said[-2]["delta"]["stop_reason"] == "tool_use"


def test_blocks_whose_end_never_came_end_with_the_answer() -> None:
    said = sent([FIRST, *text(0, "a"), call(1, "b"), arguments(1, "{}"), *text(2, "c"), END])
    assert blocks(said) == ["+0", "~0", "-0", "+1", "~1", "~1", "-1", "+2", "~2", "-2"]


def test_what_waited_is_said_also_before_a_failure() -> None:
    failed = Failed(code="connection", message="it broke", retryable=True)
    said = sent([FIRST, call(0, "a"), *text(1, "c"), failed])
    assert said[-1]["type"] == "error"
    assert {"type": "text_delta", "text": "c"} in [one.get("delta") for one in said]


def test_citations_have_the_shape_of_anthropic_or_are_left_out() -> None:
    citation = {"type": "char_location", "cited_text": "sky", "document_index": 0}
    log = [
        FIRST,
        Part(part=0, kind="text"),
        Annotation(part=0, fields=citation, protocol="anthropic"),
        Annotation(part=0, fields={"type": "url_citation"}, protocol="openai-responses"),
        Annotation(part=0, fields={"type": "url_citation"}),
        END,
    ]
    deltas = [one["delta"] for one in sent(log) if one["type"] == "content_block_delta"]
    assert deltas == [{"type": "citations_delta", "citation": citation}]


def test_tools_that_the_provider_runs() -> None:
    found = '[{"type":"web_search_result","url":"https://example.com/","title":"é"}]'
    log = [
        FIRST,
        Part(part=0, kind="tool_call", call_id="s", name="web_search", executor="provider"),
        arguments(0, '{"query":"sky"}'),
        PartEnd(part=0),
        Part(part=1, kind="tool_result", call_id="s", name="web_search", result_type="web_search_tool_result"),
        Delta(part=1, kind="tool_result", delta=found[:9]),
        Delta(part=1, kind="tool_result", delta=found[9:]),
        PartEnd(part=1),
        END,
    ]
    said = sent(log)
    assert blocks(said) == ["+0", "~0", "~0", "-0", "+1", "-1"]
    assert said[1]["content_block"] == {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    assert said[5]["content_block"] == {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [{"type": "web_search_result", "url": "https://example.com/", "title": "é"}],
    }


@pytest.mark.parametrize(
    "part",
    [
        Part(part=0, kind="file", media_type="image/png"),
        Part(part=0, kind="tool_call", call_id="s", name="image_generation", executor="provider"),
        Part(part=0, kind="tool_call", name="web_search", executor="provider"),
        Part(part=0, kind="tool_result", call_id="s", result_type="web_search_tool_result"),
    ],
)
def test_what_messages_cannot_say_is_left_out(part: Part) -> None:
    log = [FIRST, part, Delta(part=0, kind=part.kind, delta="[]"), *text(1, "Hi"), PartEnd(part=0), END]
    assert blocks(sent(log)) == ["+0", "~0", "-0"]


def test_a_refusal_is_text() -> None:
    said = sent([FIRST, *text(0, "No.", kind="refusal"), PartEnd(part=0), END])
    assert said[2]["delta"] == {"type": "text_delta", "text": "No."}
    assert said[-2]["delta"]["stop_reason"] == "refusal"


@pytest.mark.parametrize("kind", ["text", "tool_call"])
def test_a_signature_that_messages_has_no_field_for_follows_its_block(kind: Any) -> None:
    part = call(0, "a") if kind == "tool_call" else Part(part=0, kind="text")
    log = [FIRST, part, Delta(part=0, kind=kind, delta="{}"), PartEnd(part=0, signature="s", provider="gemini"), END]
    said = sent(log)
    assert blocks(said)[-3:] == ["-0", "+1", "-1"]
    assert said[-4]["content_block"]["type"] == "redacted_thinking"
    assert said[-4]["content_block"]["data"].startswith("ms1:gemini:")


def test_an_attempt_goes_on_in_the_block_that_broke_off() -> None:
    log = [
        FIRST,
        *text(0, "one "),
        attempt(2, continues=True),
        Part(part=0, kind="text", resumes=True),
        Delta(part=0, kind="text", delta="two"),
        PartEnd(part=0),
        END,
    ]
    said = sent(log)
    assert blocks(said) == ["+0", "~0", "~0", "-0"]
    assert said[0]["message"]["id"] == f"msg_{TAIL}"


def test_an_attempt_that_starts_over_begins_a_new_epoch() -> None:
    log = [FIRST, *text(0, "one"), attempt(2, continues=False), *text(0, "two"), PartEnd(part=0), END]
    stream, framer = framed(log)
    assert framer.epoch == 2
    assert stream.startswith(
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_%b-2"' % TAIL.encode()
    )
    assert b"one" not in stream
    assert b"two" in stream


def test_an_attempt_that_said_nothing_stands() -> None:
    log = [FIRST, Response(response_id="r"), attempt(2, continues=False), *text(0, "two"), PartEnd(part=0), END]
    stream, framer = framed(log)
    assert framer.epoch == 1
    assert f'"msg_{TAIL}"'.encode() in stream


def test_usage_is_that_of_the_attempt_that_stands() -> None:
    log = [
        FIRST,
        UsageReport(usage=Usage(input_tokens=90)),
        attempt(2, continues=False),
        UsageReport(usage=Usage(input_tokens=5)),
        Response(service_tier="priority"),
        END,
    ]
    usage = sent(log)[-2]["usage"]
    assert (usage["input_tokens"], usage["service_tier"]) == (5, "priority")


def test_an_unknown_type_makes_no_event() -> None:
    framer = AnthropicMessagesDialect().framer(SUBJECT)
    assert list(framer.frames((b"1-1", (b"unheard_of", b"{")))) == []
    assert list(framer.frames((b"1-2", (b"raw", b'{"protocol":"p","data":1}')))) == []


def test_a_log_that_cannot_be_read_is_no_short_answer() -> None:
    framer = AnthropicMessagesDialect().framer(SUBJECT)
    with pytest.raises(ValueError, match="part 1 does not follow"):
        list(framer.frames((b"1-1", (b"delta", b'{"part":1,"kind":"text","delta":"a"}'))))
    for kind, data in ((b"delta", b'{"part":-1,"kind":"text","delta":"a"}'), (b"delta", b"{"), (b"part", b"")):
        with pytest.raises(msgspec.MsgspecError):
            list(framer.frames((b"1-1", (kind, data))))


@pytest.mark.parametrize(
    ("end", "kind", "code"),
    [
        (Failed(code="overloaded", message="full", retryable=True), "overloaded_error", "overloaded"),
        (Failed(code="authentication", message="key", retryable=False), "api_error", "authentication"),
        (Cancelled(), "conflict_error", "cancelled"),
    ],
)
def test_the_sdk_raises_for_a_failure(accumulate: Accumulate, end: Event, kind: str, code: str) -> None:
    with pytest.raises(APIStatusError) as raised:
        accumulate(framed([FIRST, *text(0, "Hi"), end])[0])
    assert (raised.value.type, raised.value.error_code) == (kind, code)


def test_a_stream_that_was_cut_is_told_from_a_whole_one(accumulate: Accumulate) -> None:
    whole = accumulate(framed([FIRST, *text(0, "Hi"), END])[0])
    cut = accumulate(framed([FIRST, *text(0, "Hi")])[0])
    assert (whole["stop_reason"], cut["stop_reason"]) == ("end_turn", None)


@settings(max_examples=150, deadline=None)
@given(log=logs())
def test_the_sdk_adds_up_what_the_answer_is(accumulate: Accumulate, log: list[Event]) -> None:
    stream, framer = framed(log)
    added = accumulate(stream)
    expected = answer(SUBJECT, folded(log), framer.epoch)
    # The SDK takes neither from `message_delta`, where alone they are known.
    expected["usage"].pop("cache_creation", None)
    expected["usage"].pop("service_tier", None)
    assert _plain(added) == _plain(expected)


@settings(max_examples=150, deadline=None)
@given(log=logs())
def test_a_reader_of_messages_finds_what_the_log_has(log: list[Event]) -> None:
    stream, framer = framed(log)
    reader = MessagesReader("m")
    read: list[ProviderEvent] = []
    for one in SseDecoder().feed(stream):
        reader.read(one, read)
    again = [FIRST, *read]
    assert reader.ended
    assert answer(SUBJECT, folded(log), framer.epoch)["content"] == _unwrapped(answer(SUBJECT, folded(again)))
    ours, theirs = folded(log).usage or Usage(), folded(again).usage or Usage()
    assert (ours.input_tokens, ours.output_tokens, ours.cached_tokens) == (
        theirs.input_tokens,
        theirs.output_tokens,
        theirs.cached_tokens,
    )


@settings(max_examples=100, deadline=None)
@given(log=logs(), data=st.data())
def test_blocks_are_dense_and_one_after_the_other(log: list[Event], data: Any) -> None:
    open_, count = None, 0
    for one in sent(log)[1:-2]:
        match one["type"]:
            case "content_block_start":
                assert open_ is None
                assert one["index"] == count
                open_, count = one["index"], count + 1
            case "content_block_delta":
                assert one["index"] == open_
            case "content_block_stop":
                assert one["index"] == open_
                open_ = None
    assert open_ is None


def test_the_same_log_gives_the_same_bytes() -> None:
    log = [FIRST, *text(0, "a", "b"), call(1, "c"), arguments(1, "{}"), PartEnd(part=0), PartEnd(part=1), END]
    assert framed(log)[0] == framed(log)[0]
    assert len(list(entries(log))) == len(log)


def _plain(message: dict[str, Any]) -> Any:
    """Without what is null, which the SDK leaves out or fills in."""
    if isinstance(message, dict):
        return {name: _plain(value) for name, value in message.items() if value is not None}
    return [_plain(one) for one in message] if isinstance(message, list) else message


def _unwrapped(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Blocks of an answer that was read from our stream, whose signatures are wrapped once more."""
    outer = wrap("anthropic", "")
    for block in message["content"]:
        for name in ("signature", "data"):
            if name in block:
                block[name] = block[name].removeprefix(outer)
    content: list[dict[str, Any]] = message["content"]
    return content
