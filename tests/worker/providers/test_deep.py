"""What nests too deep is null, in each protocol, and what stands beside it is what it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.log.events import Annotation, Completed, Delta, Raw
from shared.request.generation_request import GenerationRequest
from shared.request.limits import MAX_DEPTH
from shared.strict_json import nests_deeper
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.upstream import Reply, Upstream, outcome

CHAT = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}}], "x": "DEEP"}
CITED = {"id": "c", "choices": [{"index": 0, "delta": {"content": "hi", "annotations": [{"url": "u", "x": "DEEP"}]}}]}
STOP = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
CALL = {"functionCall": {"name": "f", "args": {"a": "DEEP"}}}
BODIES: dict[str, tuple[Protocol, list[dict[str, Any]]]] = {
    "field": ("openai-chat", [CHAT, STOP]),
    "citation": ("openai-chat", [CITED, STOP]),
    "event": (
        "anthropic",
        [
            {"type": "message_start", "message": {"id": "m", "container": "DEEP"}},
            {"type": "unheard", "x": "DEEP"},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "hi"}},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "new", "x": "DEEP"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ],
    ),
    "metadata": (
        "gemini",
        [
            {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "groundingMetadata": {"x": "DEEP"}}]},
            {"candidates": [{"content": {"parts": [{"new": "DEEP"}]}, "finishReason": "STOP"}], "modelStatus": "DEEP"},
        ],
    ),
    "item": (
        "openai-responses",
        [
            {"type": "response.created", "response": {"id": "r"}},
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {"type": "message", "id": "i", "content": [{"type": "output_text", "text": "hi"}], "x": "DEEP"},
            },
            {"type": "response.unheard", "x": "DEEP"},
            {"type": "response.completed", "response": {"id": "r", "new": "DEEP"}},
        ],
    ),
}


def stream(events: list[dict[str, Any]], levels: int) -> list[bytes]:
    deep = "[" * levels + "1" + "]" * levels
    return [f"data: {json.dumps(event)}\n\n".replace('"DEEP"', deep).encode() for event in events]


@pytest.mark.parametrize("levels", [40, 63, 64, 100, 300, 960, 5000])
@pytest.mark.parametrize("name", BODIES)
async def test_what_nests_too_deep_takes_nothing_along(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest], name: str, levels: int
) -> None:
    protocol, events = BODIES[name]
    upstream.reply = Reply(stream(events, levels))
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert got.error is None
    assert got.completed.finish_reason == "stop"
    assert "".join(event.delta for event in got.events if isinstance(event, Delta)) == "hi"
    kept = [
        event.data if isinstance(event, Raw) else event.fields
        for event in got.events
        if isinstance(event, Raw | Annotation)
    ]
    assert kept
    assert not any(nests_deeper(value, MAX_DEPTH) for value in kept)
    assert any(nests_deeper(value, min(levels, MAX_DEPTH - 1)) for value in kept)


@pytest.mark.parametrize("levels", [100, 200])
async def test_arguments_that_nest_deep_are_what_they_are(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest], levels: int
) -> None:
    answer = [{"candidates": [{"content": {"parts": [CALL]}, "finishReason": "STOP"}]}]
    upstream.reply = Reply(stream(answer, levels))
    got = await outcome(adapter("gemini", upstream.url), ask())
    (arguments,) = [event.delta for event in got.events if isinstance(event, Delta)]
    assert arguments == '{"a":' + "[" * levels + "1" + "]" * levels + "}"


LONG = "F" * 100_000
ENDS: dict[str, tuple[Protocol, list[dict[str, Any]]]] = {
    "chat": ("openai-chat", [CHAT, {"choices": [{"index": 0, "delta": {}, "finish_reason": LONG}]}]),
    "messages": (
        "anthropic",
        [
            {"type": "message_start", "message": {"id": "m"}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "hi"}},
            {"type": "message_delta", "delta": {"stop_reason": LONG}},
            {"type": "message_stop"},
        ],
    ),
    "gemini": ("gemini", [{"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": LONG}]}]),
    "refused": ("gemini", [{"promptFeedback": {"blockReason": LONG}}]),
}


@pytest.mark.parametrize("name", ENDS)
async def test_an_end_is_short(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest], name: str
) -> None:
    protocol, events = ENDS[name]
    upstream.reply = Reply(stream(events, 1))
    got = await outcome(adapter(protocol, upstream.url), ask())
    if got.error is not None:
        assert (name, got.error.code, len(got.error.message) < 200) == ("refused", "content_filter", True)
    else:
        (end,) = [event for event in got.events if isinstance(event, Completed)]
        assert end.raw_finish_reason == LONG[:256]


async def test_what_an_end_says_beside_its_reason_is_short(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest]
) -> None:
    details = {"type": "refusal", "category": LONG}
    end = {"stop_reason": "refusal", "stop_sequence": LONG, "stop_details": details}
    calls = {LONG: 1, **{f"tool_{n}": 1 for n in range(99)}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "usage": {"service_tier": LONG}}},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 1, "server_tool_use": calls}},
        {"type": "message_stop"},
    ]
    upstream.reply = Reply(stream(events, 1))
    got = await outcome(adapter("anthropic", upstream.url), ask())
    assert (got.completed.refusal_category, got.completed.stop_sequence) == (LONG[:256], LONG[:1024])
    assert got.completed.usage is not None
    assert got.completed.usage.server_tool_calls == {f"tool_{n}": 1 for n in range(32)}
    assert not got.response.service_tier
