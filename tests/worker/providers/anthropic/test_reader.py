"""Messages streams, as Anthropic and the endpoints that imitate it send them, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from msgspec import UNSET

from shared.config.protocols import Protocol
from shared.log.events import Annotation, Delta, Part, Response, Usage, UsageReport
from shared.request.generation_request import GenerationRequest
from shared.sse_decoder import SseDecoder
from tests.worker.providers.upstream import Upstream, outcome
from worker.providers.anthropic.reader import MessagesReader
from worker.providers.call_times import CallTimes
from worker.providers.provider import Provider, ProviderEvent

Read = Callable[..., Any]


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def start(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def grow(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def text(index: int, *texts: str) -> bytes:
    grown = b"".join(grow(index, "text_delta", text=said) for said in texts)
    return start(index, "text", text="") + grown + stop(index)


def end(reason: str | None = "end_turn", **usage: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 2, **usage}) + event("message_stop")


_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
}
START = event("message_start", message={**_MESSAGE, "usage": {"input_tokens": 4, "output_tokens": 1}})
PING = event("ping")


async def test_blocks_are_parts(read: Read) -> None:
    got = await read(
        START
        + start(0, "thinking", thinking="", signature="")
        + PING
        + grow(0, "thinking_delta", thinking="Hm")
        + grow(0, "thinking_delta", thinking="m.")
        + grow(0, "signature_delta", signature="c2ln")
        + stop(0)
        + start(1, "redacted_thinking", data="b3BhcXVl")
        + stop(1)
        + text(2, "Because ", "of light.")
        + start(3, "tool_use", id="a", name="rain", input={})
        + grow(3, "input_json_delta", partial_json="")
        + grow(3, "input_json_delta", partial_json='{"x":')
        + grow(3, "input_json_delta", partial_json="1}")
        + stop(3)
        + end("tool_use")
    )
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hmm.", "signature": "c2ln", "provider": "anthropic"},
        {"kind": "reasoning", "text": "", "encrypted": "b3BhcXVl", "provider": "anthropic"},
        {"kind": "text", "text": "Because of light."},
        {"kind": "tool_call", "text": '{"x":1}', "call_id": "a", "name": "rain", "executor": "client"},
    ]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("tool_calls", "tool_use")
    assert got.completed.response_id == "msg_1"


async def test_a_tool_of_the_provider_and_its_result(read: Read) -> None:
    found = [{"type": "web_search_result", "url": "https://example.com/", "title": "é"}]
    got = await read(
        START
        + start(0, "server_tool_use", id="s", name="web_search", input={})
        + grow(0, "input_json_delta", partial_json='{"query":"sky"}')
        + stop(0)
        + start(1, "web_search_tool_result", tool_use_id="s", content=found)
        + stop(1)
        + end("pause_turn")
    )
    used, result = got.parts()
    assert used == {
        "kind": "tool_call",
        "text": '{"query":"sky"}',
        "call_id": "s",
        "name": "web_search",
        "executor": "provider",
    }
    assert (result["kind"], result["call_id"], result["name"]) == ("tool_result", "s", "web_search")
    assert json.loads(result["text"]) == found
    assert got.completed.finish_reason == "paused"


@pytest.mark.parametrize(("given", "expected"), [({}, "{}"), ({"x": "é"}, '{"x": "é"}')])
async def test_a_tool_call_without_fragments_still_has_arguments(
    read: Read, given: dict[str, str], expected: str
) -> None:
    block = start(0, "tool_use", id="a", name="rain", input=given) + grow(0, "input_json_delta", partial_json="")
    got = await read(START + block + stop(0) + end("tool_use"))
    assert got.parts()[0]["text"] == expected


async def test_citations_are_annotations(read: Read) -> None:
    citation = {"type": "char_location", "cited_text": "sky", "document_index": 0, "start_char_index": 1}
    got = await read(
        START
        + start(0, "text", text="", citations=[{"type": "page_location"}])
        + grow(0, "text_delta", text="Blue")
        + grow(0, "citations_delta", citation=citation)
        + stop(0)
        + end()
    )
    assert got.parts() == [{"kind": "text", "text": "Blue", "annotations": [{"type": "page_location"}, citation]}]


async def test_what_is_unknown_is_kept(read: Read) -> None:
    got = await read(
        START
        + event("unheard_of", index=0)
        + start(0, "hologram", data="x")
        + grow(0, "hologram_delta", text="no", hologram={})
        + stop(0)
        + start(1, "text", text="", sparkle=1, nothing=None)
        + grow(1, "shimmer_delta", text="no")
        + event("content_block_delta", index=1, delta={"type": "text_delta", "text": "yes", "mood": "good"}, extra=1)
        + event("content_block_delta", index=1)
        + stop(1)
        + end()
    )
    assert got.parts() == [{"kind": "text", "text": "yes"}]
    assert got.raw() == [
        {"type": "unheard_of", "index": 0},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "data": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "hologram_delta", "text": "no", "hologram": {}}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "sparkle": 1}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "shimmer_delta", "text": "no"}},
        {"type": "content_block_delta", "index": 1, "extra": 1, "delta": {"type": "text_delta", "mood": "good"}},
        {"type": "content_block_delta", "index": 1},
    ]


WHOLE: dict[str, Any] = {
    **_MESSAGE,
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "Blue", "citations": [{"type": "page_location"}]},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "sky"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "x"}]},
        {"type": "tool_use", "id": "a", "name": "rain", "input": {"x": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 4, "output_tokens": 2},
}
USED = {"kind": "tool_call", "text": '{"x": 1}', "call_id": "a", "name": "rain", "executor": "client"}
WHOLE_PARTS = [
    {"kind": "reasoning", "text": "Hm.", "signature": "c2ln", "provider": "anthropic"},
    {"kind": "reasoning", "text": "", "encrypted": "b3BhcXVl", "provider": "anthropic"},
    {"kind": "text", "text": "Blue", "annotations": [{"type": "page_location"}]},
    {**USED, "text": '{"query": "sky"}', "call_id": "s", "name": "web_search", "executor": "provider"},
    {"kind": "tool_result", "text": '[{"title": "x"}]', "call_id": "s", "name": "web_search", "executor": "provider"},
    USED,
]


@pytest.mark.parametrize("framed", [b"%s", b"data: %s\n\n", b"[%s]", b"event: message_start\ndata: %s\n\n"])
@pytest.mark.parametrize("typed", [True, False])
async def test_an_answer_in_one_document(read: Read, framed: bytes, typed: bool) -> None:
    whole = WHOLE if typed else {name: value for name, value in WHOLE.items() if name != "type"}
    got = await read(framed % json.dumps(whole).encode(), headers={"content-type": "application/json"})
    if framed.startswith(b"event") and not typed:
        whole = {"message": whole}
        got = await read(framed % json.dumps(whole).encode())
    assert (got.error, got.parts(), got.raw()) == (None, WHOLE_PARTS, [])
    assert (got.completed.finish_reason, got.completed.usage) == ("tool_calls", Usage(4, 2))
    assert (got.completed.response_id, got.response.model) == ("msg_1", "m")


async def test_a_document_in_other_shapes(read: Read) -> None:
    for content in ("Hello", {"type": "text", "text": "Hello"}, [{"text": "Hello"}], ["Hello"]):
        whole = {**WHOLE, "content": content, "stop_reason": "end_turn", "container": {"id": "c"}, "new": 1}
        got = await read(json.dumps(whole).encode())
        assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "Hello"}])
        assert got.raw() == [{"type": "message", "container": {"id": "c"}, "new": 1}]
    got = await read(json.dumps({**WHOLE, "stop_reason": None}).encode())
    assert got.failure.code == "incomplete_stream"


def whole_start(*content: dict[str, Any], **fields: Any) -> bytes:
    return event("message_start", message={**_MESSAGE, "content": list(content), **fields})


def first(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        pytest.param(whole_start(first("Hello")) + end(), "Hello", id="and nothing after it"),
        pytest.param(whole_start(first("Hello"), stop_reason="end_turn"), "Hello", id="with its reason"),
        pytest.param(whole_start(first("Hello")) + text(0, "Hel", "lo") + end(), "Hello", id="and again"),
        pytest.param(whole_start(first("Hello")) + start(0, "text", text="Hello") + end(), "Hello", id="and its start"),
        pytest.param(whole_start(first("Hel")) + text(0, "Hel", "lo") + end(), "Hello", id="and again, and more"),
        pytest.param(whole_start(first("Hel")) + text(0, "lo") + end(), "Hello", id="and the rest"),
        pytest.param(whole_start(first("Ha")) + text(0, "H", "i") + end(), "HaHi", id="and something like it"),
        pytest.param(whole_start(first("Ha")) + text(0, "H") + end(), "HaH", id="and the like, cut"),
        pytest.param(whole_start(first("")) + text(0, "Hello") + end(), "Hello", id="empty"),
        pytest.param(START + text(0, "Hello") + event("message", **WHOLE), "Hello", id="all again at the end"),
        pytest.param(event("message_stop", message={"content": [first("Hello")]}), "Hello", id="only at the end"),
    ],
)
async def test_content_beside_the_stream_is_said_once(read: Read, stream: bytes, said: str) -> None:
    got = await read(stream)
    assert got.error is None
    assert "".join(part["text"] for part in got.parts() if part["kind"] == "text") == said


async def test_a_call_beside_the_stream_is_one_call(read: Read) -> None:
    block: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "rain", "input": {}}
    begun = event("content_block_start", index=0, content_block=block)
    filled = grow(0, "input_json_delta", partial_json='{"x": 1}')
    for held in (block, {**block, "input": {"x": 1}}):
        got = await read(whole_start(held) + begun + filled + stop(0) + end("tool_use"))
        assert (got.error, got.parts()) == (None, [USED])
    got = await read(START + begun + filled + stop(0) + event("message", **WHOLE) + end("tool_use"))
    assert [part["call_id"] for part in got.parts() if part["kind"] == "tool_call"] == ["a", "s"]


@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.3)])
async def test_a_stop_reason_on_every_event(read: Read, times: CallTimes) -> None:
    stamped = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": said, "stop_reason": "end_turn"})
        for said in ("Hel", "lo")
    ]
    got = await read(START + stamped[0], stamped[1], end="hang")
    assert (got.error, got.parts(), got.completed.finish_reason) == (None, [{"kind": "text", "text": "Hello"}], "stop")
    got = await read(START + stamped[0], stamped[1], end="abort")
    assert got.failure.code == "connection"


@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.1)])
async def test_a_stop_before_the_first_word_may_be_a_stamp(read: Read, times: CallTimes) -> None:
    for counted in ({}, {"usage": {"input_tokens": 4, "output_tokens": 0}}):
        stamp = event("message_delta", delta={"stop_reason": "end_turn"}, **counted)
        reader, events = MessagesReader("acme"), list[ProviderEvent]()
        for each in SseDecoder().feed(START + stamp):
            reader.read(each, events)
        assert not reader.finish_reason.is_end(said=False)
        got = await read(START + stamp, stamp + text(0, "Hello"), stamp, end="hang")
        assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "Hello"}])
    empty = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
    assert (await read(START + empty, end="hang")).error is None


@pytest.mark.parametrize("kind", ["message_delta", "message_stop"])
async def test_a_stop_reason_beside_the_delta(read: Read, kind: str) -> None:
    got = await read(START + text(0, "x") + event(kind, stop_reason="max_tokens"))
    assert (got.error, got.completed.finish_reason, got.raw()) == (None, "length", [])


async def test_what_the_answer_is_called(read: Read) -> None:
    got = await read(START + end(), headers={"content-type": "text/event-stream", "request-id": "req_1"})
    assert got.response == Response(response_id="msg_1", model="m", request_id="req_1")


async def test_a_container_and_its_file(read: Read) -> None:
    container = {"id": "container_1", "expires_at": "2026-11-21T00:00:00Z"}
    delta = {"stop_reason": "end_turn", "stop_sequence": None, "container": container, "stop_details": None}
    got = await read(
        event("message_start", message={**_MESSAGE, "usage": {"input_tokens": 1}, "container": container})
        + start(0, "container_upload", file_id="file_1")
        + stop(0)
        + event("message_delta", delta=delta, usage={"output_tokens": 1})
        + event("message_stop")
    )
    assert got.parts() == [{"kind": "file", "text": "", "item_id": "file_1"}]
    assert got.raw() == [
        {"type": "message_start", "message": {"container": container}},
        {"type": "message_delta", "delta": {"container": container}},
    ]


async def stopped(read: Read, **delta: Any) -> Any:
    return await read(START + event("message_delta", delta=delta, usage={"output_tokens": 1}) + event("message_stop"))


async def test_why_it_stopped(read: Read) -> None:
    details = {"type": "refusal", "category": "bio", "explanation": None}
    got = await stopped(read, stop_reason="refusal", stop_details=details)
    assert (got.completed.finish_reason, got.completed.refusal_category) == ("content_filter", "bio")
    assert got.raw() == []
    got = await stopped(read, stop_reason="refusal", stop_details=details | {"explanation": "As it says."})
    assert got.completed.refusal_category == "bio"
    assert [raw["delta"]["stop_details"]["explanation"] for raw in got.raw()] == ["As it says."]
    got = await stopped(read, stop_reason="stop_sequence", stop_sequence="END")
    assert (got.completed.finish_reason, got.completed.stop_sequence, got.raw()) == ("stop", "END", [])
    whole = {**_MESSAGE, "content": [{"type": "text", "text": "x"}], "stop_reason": "stop_sequence"}
    got = await read(json.dumps({**whole, "stop_sequence": "END", "stop_details": None}).encode())
    assert (got.completed.stop_sequence, got.raw()) == ("END", [])


async def test_the_tier_that_served_it(read: Read) -> None:
    begun = {**_MESSAGE, "usage": {"input_tokens": 4, "service_tier": "standard"}}
    got = await read(event("message_start", message=begun) + text(0, "x") + end())
    assert got.response == Response(response_id="msg_1", model="m", service_tier="standard")
    got = await read(event("message_start", message=begun) + text(0, "x") + end(service_tier="priority"))
    names = [event for event in got.events if isinstance(event, Response)]
    assert names[1:] == [Response(response_id="msg_1", model="m", service_tier="priority")]


@pytest.mark.parametrize(
    ("block", "is_error"),
    [
        ({"type": "web_search_tool_result", "content": []}, UNSET),
        (
            {
                "type": "web_search_tool_result",
                "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
            },
            True,
        ),
        (
            {
                "type": "bash_code_execution_tool_result",
                "content": {"type": "bash_code_execution_result", "return_code": 1},
            },
            UNSET,
        ),
        (
            {
                "type": "bash_code_execution_tool_result",
                "content": {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"},
            },
            True,
        ),
        ({"type": "mcp_tool_result", "content": "x", "is_error": True}, True),
        ({"type": "mcp_tool_result", "content": "x", "is_error": False}, False),
    ],
)
async def test_results_say_what_they_are_and_whether_the_tool_failed(
    read: Read, block: dict[str, Any], is_error: Any
) -> None:
    got = await read(START + start(0, block.pop("type"), tool_use_id="s", **block) + stop(0) + end())
    (result,) = [event for event in got.events if isinstance(event, Part)]
    assert result.result_type == f"{result.name}_tool_result"
    assert result.is_error is is_error
    assert got.raw() == []


async def test_an_error_that_is_none_is_kept(read: Read) -> None:
    got = await read(START + start(0, "mcp_tool_result", tool_use_id="s", content="x", is_error="no") + stop(0) + end())
    assert [raw["content_block"] for raw in got.raw()] == [{"type": "mcp_tool_result", "is_error": "no"}]


async def test_citations_say_whose_shape_they_have(read: Read) -> None:
    cited = {"type": "web_search_result_location", "url": "https://example.org/"}
    got = await read(
        START
        + start(0, "text", text="x", citations=[cited])
        + grow(0, "citations_delta", citation=cited)
        + stop(0)
        + end()
    )
    assert [event.protocol for event in got.events if isinstance(event, Annotation)] == ["anthropic"] * 2


async def test_who_called_a_tool_is_kept_unless_it_is_the_model(read: Read) -> None:
    code = {"type": "code_execution_20260120", "tool_id": "s"}
    got = await read(
        START
        + start(0, "tool_use", id="a", name="rain", input={}, caller={"type": "direct"})
        + stop(0)
        + start(1, "tool_use", id="b", name="rain", input={}, caller=code)
        + stop(1)
        + start(2, "mcp_tool_use", id="c", name="find", server_name="files", input={"q": 1})
        + stop(2)
        + start(3, "mcp_tool_result", tool_use_id="c", is_error=False, content=[])
        + stop(3)
        + end("tool_use")
    )
    assert [(part["kind"], part["name"], part["executor"]) for part in got.parts()] == [
        ("tool_call", "rain", "client"),
        ("tool_call", "rain", "client"),
        ("tool_call", "find", "provider"),
        ("tool_result", "mcp", "provider"),
    ]
    assert [raw["content_block"] for raw in got.raw()] == [
        {"type": "tool_use", "caller": code},
        {"type": "mcp_tool_use", "server_name": "files"},
    ]


async def test_a_block_that_is_not_stopped_ends_before_the_answer(read: Read) -> None:
    got = await read(START + start(0, "text", text="All at once.") + end())
    assert got.parts() == [{"kind": "text", "text": "All at once."}]
    assert got.error is None


async def test_input_tokens_include_the_cache(read: Read) -> None:
    counted = {"input_tokens": 4, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1}
    got = await read(
        event("message_start", message={**_MESSAGE, "usage": counted})
        + text(0, "x")
        + end(output_tokens=9, output_tokens_details={"thinking_tokens": 3})
    )
    assert [e.usage for e in got.events if isinstance(e, UsageReport)] == [Usage(124, 1, 100, 20)]
    assert got.completed.usage == Usage(124, 9, 100, 20, 3)


@pytest.mark.parametrize(
    ("counted", "expected", "kept"),
    [
        pytest.param(
            {"cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0}},
            Usage(24, 2, 0, 20, cache_write_5m_tokens=20, cache_write_1h_tokens=0),
            [],
            id="by time to live alone",
        ),
        pytest.param(
            {
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
                "service_tier": "standard",
            },
            Usage(34, 2, 0, 30, cache_write_5m_tokens=20, cache_write_1h_tokens=10),
            [],
            id="the dearer cache",
        ),
        pytest.param(
            {"server_tool_use": {"web_search_requests": 2}},
            Usage(4, 2, server_tool_calls={"web_search_requests": 2}),
            [],
            id="server tools",
        ),
        pytest.param(
            {"server_tool_use": {"web_search_requests": 2, "other": {"x": 1}}},
            Usage(4, 2, server_tool_calls={"web_search_requests": 2}),
            [{"usage": {"server_tool_use": {"web_search_requests": 2, "other": {"x": 1}}}}],
            id="server tools that count otherwise",
        ),
        pytest.param({"server_tool_use": {"web_search_requests": 0}}, Usage(4, 2), [], id="no server tools"),
    ],
)
async def test_details_of_usage(read: Read, counted: dict[str, Any], expected: Usage, kept: list[Any]) -> None:
    usage = {"input_tokens": 4, "output_tokens": 1, **counted}
    got = await read(event("message_start", message={**_MESSAGE, "usage": usage}) + text(0, "x") + end())
    assert got.completed.usage == expected
    assert got.raw() == kept


async def test_usage_that_counts_nothing_we_know(read: Read) -> None:
    got = await read(event("message_start", message={**_MESSAGE, "usage": {"input_tokens": "many"}}) + end())
    assert got.completed.usage is None


async def test_counts_are_cumulative(read: Read) -> None:
    got = await read(START + text(0, "x") + end("pause_turn", input_tokens=10, cache_read_input_tokens=None))
    assert [e.usage for e in got.events if isinstance(e, UsageReport)] == [Usage(4, 1), Usage(10, 2)]
    assert got.completed.usage == Usage(10, 2)


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "paused"),
        ("tired", "other"),
        (None, "other"),
    ],
)
async def test_finish_reasons(read: Read, raw: str | None, unified: str) -> None:
    completed = (await read(START + text(0, "x") + end(raw))).completed
    assert (completed.finish_reason, completed.raw_finish_reason) == (unified, raw)


async def test_an_emoji_cut_in_two_passes_as_two_surrogates(read: Read) -> None:
    got = await read(START + text(0, "\ud83d", "\ude00") + end())
    assert [e.delta for e in got.events if isinstance(e, Delta)] == ["\ud83d", "\ude00"]


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"", id="clean end"),
        pytest.param(event("message_stop")[:-9], id="half of message_stop and no stop reason"),
        pytest.param(end()[:90], id="half of message_delta"),
        pytest.param(b"data: [DONE]\n\n", id="done without a stop reason"),
    ],
)
async def test_an_end_without_the_terminal_marker_is_an_error(read: Read, rest: bytes) -> None:
    got = await read(START + text(0, "x") + rest)
    assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)
    assert got.parts() == [{"kind": "text", "text": "x"}]


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        ("overloaded_error", "overloaded", True),
        ("rate_limit_error", "rate_limit", True),
        ("api_error", "provider_error", True),
        ("timeout_error", "provider_timeout", True),
        ("invalid_request_error", "bad_request", False),
        ("authentication_error", "authentication", False),
        ("unheard_of_error", "provider_error", True),
    ],
)
async def test_an_error_in_the_stream(read: Read, kind: str, code: str, retryable: bool) -> None:
    got = await read(START + text(0, "x") + event("error", error={"type": kind, "message": "PROMPT"}) + end())
    assert (got.failure.code, got.failure.retryable) == (code, retryable)
    assert "PROMPT" not in str(got.failure)
    assert got.parts() == [{"kind": "text", "text": "x"}]


async def test_an_event_that_is_no_json(read: Read) -> None:
    got = await read(START + text(0, "x") + b'event: content_block_delta\ndata: {"type":\n\n' + end())
    assert (got.failure.code, got.failure.retryable) == ("invalid_response", True)
    assert got.parts() == [{"kind": "text", "text": "x"}]


FOUND = {"type": "web_search_result", "url": "https://example.com/", "title": "\u00e9", "encrypted_content": "x"}

RICH = (
    START
    + b": comment\n\n"
    + start(0, "thinking", thinking="", signature="")
    + grow(0, "thinking_delta", thinking="Zw\u00f6lf 😀")
    + grow(0, "signature_delta", signature="c2ln")
    + stop(0)
    + PING.replace(b"\n", b"\r\n")
    + text(1, "a\u2028", "b\r\n\0")
    + start(2, "tool_use", id="a", name="rain", input={})
    + grow(2, "input_json_delta", partial_json='{"x": "\\u00e9"}')
    + stop(2)
    + start(3, "tool_use", id="b", name="wind", input={})
    + grow(3, "input_json_delta", partial_json="")
    + stop(3)
    + start(4, "redacted_thinking", data="b3BhcXVl")
    + stop(4)
    + start(5, "server_tool_use", id="s", name="web_search", input={}, caller={"type": "direct"})
    + grow(5, "input_json_delta", partial_json='{"query":"\u00e9"}')
    + stop(5)
    + start(6, "web_search_tool_result", tool_use_id="s", content=[FOUND])
    + stop(6)
    + start(7, "text", text="")
    + grow(7, "text_delta", text="Blue")
    + grow(7, "citations_delta", citation={"type": "char_location", "cited_text": "\u00e9"})
    + stop(7)
    + start(8, "container_upload", file_id="file_1", sparkle="\u00e9")
    + stop(8)
    + event("unheard_of", text="\u00e9")
    + end("tool_use", output_tokens=40, cache_read_input_tokens=5)
)


def as_parts(message: Any) -> list[dict[str, Any]]:
    """What the SDK accumulated, as parts; what is JSON as values, since it keeps no text of them."""
    parts: list[dict[str, Any]] = []
    for block in message.content:
        match block.type:
            case "text":
                parts.append({"kind": "text", "text": block.text})
                if block.citations:
                    parts[-1]["annotations"] = [citation.to_dict() for citation in block.citations]
            case "redacted_thinking":
                parts.append({"kind": "reasoning", "text": "", "encrypted": block.data, "provider": "anthropic"})
            case "thinking":
                signed = {"signature": block.signature, "provider": "anthropic"}
                parts.append({"kind": "reasoning", "text": block.thinking, **signed})
            case "tool_use" | "server_tool_use":
                named = {"call_id": block.id, "name": block.name}
                named["executor"] = "client" if block.type == "tool_use" else "provider"
                parts.append({"kind": "tool_call", "text": block.input, **named})
            case "web_search_tool_result":
                result = [found.to_dict() for found in block.content]
                named = {"call_id": block.tool_use_id, "name": "web_search", "executor": "provider"}
                parts.append({"kind": "tool_result", "text": result, **named})
            case "container_upload":
                parts.append({"kind": "file", "text": "", "item_id": block.file_id})
    return parts


def with_values(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    json_kinds = ("tool_call", "tool_result")
    return [part | {"text": json.loads(part["text"])} if part["kind"] in json_kinds else part for part in parts]


async def accumulated(url: str, model: str) -> Any:
    asked: dict[str, Any] = {"model": model, "max_tokens": 4096}
    asked["messages"] = [{"role": "user", "content": "Why is the sky blue?"}]
    async with (
        AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client,
        client.messages.stream(**asked) as stream,
    ):
        return await stream.get_final_message()


async def test_the_sdk_accumulates_the_same(read: Read, upstream: Upstream) -> None:
    got = await read(RICH)
    message = await accumulated(upstream.url, "m")
    assert with_values(got.parts()) == as_parts(message)
    assert got.completed.raw_finish_reason == message.stop_reason
    assert got.completed.response_id == message.id
    assert got.completed.usage == Usage(
        message.usage.input_tokens + message.usage.cache_read_input_tokens,
        message.usage.output_tokens,
        message.usage.cache_read_input_tokens,
    )


@pytest.mark.parametrize("script", ["lorem", "tools", "reasoning", "refusal"])
async def test_the_simulator_says_the_same_to_the_sdk(
    script: str, simulator: str, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> None:
    model = f"{script}?rate=0&seed=3&cached=2"
    got = await outcome(adapter("anthropic", simulator), ask(), model)
    message = await accumulated(simulator, model)
    assert with_values(got.parts()) == as_parts(message)
    assert got.completed.raw_finish_reason == message.stop_reason
    assert got.completed.usage is not None
    assert got.completed.usage.input_tokens == message.usage.input_tokens + 2
    assert got.completed.usage.cached_tokens == 2
    assert got.completed.usage.output_tokens == message.usage.output_tokens


async def test_a_signature_beside_the_thinking(read: Read) -> None:
    said = start(0, "thinking", thinking="") + grow(0, "thinking_delta", thinking="Hm.", signature="c2ln") + stop(0)
    got = await read(START + said + text(1, "Hi") + end())
    assert got.parts()[0] == {"kind": "reasoning", "text": "Hm.", "signature": "c2ln", "provider": "anthropic"}


async def test_what_changes_beside_each_piece_is_kept_twice(read: Read) -> None:
    pieces = b"".join(
        event(
            "content_block_delta", index=0, delta={"type": "text_delta", "text": "x", "token": number}, p="a" * number
        )
        for number in range(9)
    )
    got = await read(START + start(0, "text", text="") + pieces + stop(0) + end())
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "x" * 9}])
    assert [kept["delta"]["token"] for kept in got.raw()] == [0, 8]


@pytest.mark.parametrize("piece", ["", "He", "Hello"])
@pytest.mark.parametrize("at", ["block", "message"])
async def test_what_only_the_end_says_of_a_text(read: Read, piece: str, at: str) -> None:
    whole = {"type": "text", "text": "Hello"}
    ended = event("content_block_stop", index=0, **({"content_block": whole} if at == "block" else {}))
    last = event("message_delta", delta={"stop_reason": "end_turn"}) + (
        event("message_stop") if at == "block" else event("message_stop", message={**_MESSAGE, "content": [whole]})
    )
    said = start(0, "text", text="") + (grow(0, "text_delta", text=piece) if piece else b"")
    got = await read(START + said + ended + last)
    assert (got.error, "".join(part["text"] for part in got.parts())) == (None, "Hello")


async def test_events_that_the_sdk_adds(read: Read) -> None:
    """Servers that dump what `messages.stream` gives send all of the text once more with each delta."""
    said = start(0, "text", text="")
    for so_far in ("H", "Hi"):
        said += grow(0, "text_delta", text=so_far[-1]) + event("text", text=so_far[-1], snapshot=so_far)
    got = await read(START + said + stop(0) + end())
    assert (got.error, got.parts(), got.raw()) == (None, [{"kind": "text", "text": "Hi"}], [])
