"""Messages streams, as Anthropic and the endpoints that imitate it send them, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from shared.config.protocols import Protocol
from shared.log.events import Delta, Response, Usage, UsageReport
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Outcome, Reply, Upstream, outcome
from worker.providers.provider import Provider

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


@pytest.fixture
def read(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> Read:
    """Serves these pieces and gives what the adapter makes of them."""
    provider = adapter("anthropic", upstream.url)

    async def serve(*pieces: bytes, **reply: Any) -> Outcome:
        upstream.reply = Reply(pieces, **reply)
        return await outcome(provider, ask())

    return serve


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
        + grow(7, "text_delta", text="no")
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
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "no"}},
    ]


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


async def test_why_it_stopped_is_kept(read: Read) -> None:
    delta = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio"}}
    got = await read(START + event("message_delta", delta=delta, usage={"output_tokens": 1}) + event("message_stop"))
    assert got.completed.finish_reason == "content_filter"
    assert got.raw() == [{"type": "message_delta", "delta": {"stop_details": delta["stop_details"]}}]
    delta = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    got = await read(START + event("message_delta", delta=delta, usage={"output_tokens": 1}) + event("message_stop"))
    assert got.raw() == [{"type": "message_delta", "delta": {"stop_sequence": "END"}}]


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
        {"type": "mcp_tool_result", "is_error": False},
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
            Usage(24, 2, 0, 20),
            [],
            id="by time to live alone",
        ),
        pytest.param(
            {
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
                "service_tier": "standard",
            },
            Usage(34, 2, 0, 30),
            [{"usage": {"cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}}}],
            id="the dearer cache",
        ),
        pytest.param(
            {"server_tool_use": {"web_search_requests": 2}},
            Usage(4, 2),
            [{"usage": {"server_tool_use": {"web_search_requests": 2}}}],
            id="server tools",
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
