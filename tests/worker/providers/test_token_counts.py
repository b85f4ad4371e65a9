"""Counts that cannot be are none, and the answer is whole all the same: in each protocol, at each place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.log.events import MAX_TOKENS, Completed, Usage, UsageReport
from shared.sse_decoder import ServerSentEvent
from worker.providers.answer_reading import read_event
from worker.providers.anthropic.reader import MessagesReader
from worker.providers.gemini.reader import GeminiReader
from worker.providers.openai_chat.reader import ChatReader
from worker.providers.openai_responses.reader import ResponsesReader
from worker.providers.provider import ProviderEvent

IMPOSSIBLE: list[Any] = [-1, MAX_TOKENS + 1, 10**400, 1.5, 1e30, True, "many", [], {"a": 1}]


def chat(counted: Any) -> list[ProviderEvent]:
    delta = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}], "usage": counted}
    return _read(ChatReader("acme"), delta, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]")


def responses(counted: Any) -> list[ProviderEvent]:
    whole = {"id": "r", "status": "completed", "output": [], "usage": counted}
    return _read(ResponsesReader("acme"), {"type": "response.completed", "response": whole})


def messages(*counted: Any) -> list[ProviderEvent]:
    first, last = counted if len(counted) == 2 else (counted[0], {"output_tokens": 7})
    return _read(
        MessagesReader("acme"),
        {"type": "message_start", "message": {"id": "m", "usage": first}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        {"type": "message_stop"},
    )


def gemini(counted: Any) -> list[ProviderEvent]:
    content = {"parts": [{"text": "hi"}]}
    chunk = {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": counted}
    return _read(GeminiReader("acme"), chunk, end=True)


def _read(reader: Any, *values: Any, end: bool = False) -> list[ProviderEvent]:
    events: list[ProviderEvent] = []
    for value in values:
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
        read_event("acme", reader, ServerSentEvent("message", data, ""), events)
    if end:
        reader.finish(b"", events)
    return events


def _usage(events: list[ProviderEvent]) -> Usage | None:
    ends = [event for event in events if isinstance(event, Completed)]
    assert len(ends) == 1
    return ends[0].usage


PLACES: list[tuple[Callable[..., list[ProviderEvent]], dict[str, Any], str]] = [
    *((chat, {"prompt_tokens": 100, "completion_tokens": 9}, place) for place in (
        "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details.cached_tokens",
        "completion_tokens_details.reasoning_tokens", "prompt_cache_hit_tokens",
    )),
    *((responses, {"input_tokens": 100, "output_tokens": 9}, place) for place in (
        "input_tokens", "output_tokens", "input_tokens_details.cached_tokens", "output_tokens_details.reasoning_tokens",
    )),
    *((messages, {"input_tokens": 100, "output_tokens": 9, "cache_read_input_tokens": 5}, place) for place in (
        "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        "cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens",
        "output_tokens_details.thinking_tokens",
    )),
    *((gemini, {"promptTokenCount": 100, "candidatesTokenCount": 9}, place) for place in (
        "promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount", "thoughtsTokenCount",
        "toolUsePromptTokenCount",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "counted", "place"), PLACES)
def test_an_impossible_count_is_none_and_no_sum_hides_it(
    answer: Callable[..., list[ProviderEvent]], counted: dict[str, Any], place: str
) -> None:
    assert _usage(answer(counted)) is not None
    *outer, name = place.split(".")
    for count in IMPOSSIBLE:
        told = json.loads(json.dumps(counted))
        inner = told.setdefault(outer[0], {}) if outer else told
        inner[name] = count
        events = answer(told)
        assert _usage(events) is None, count
        assert not [event for event in events if isinstance(event, UsageReport)], count


@pytest.mark.parametrize("answer", [chat, responses, messages, gemini])
@pytest.mark.parametrize("counted", [5, "x", [], [{}], True])
def test_usage_that_is_no_object_is_none(answer: Callable[..., list[ProviderEvent]], counted: Any) -> None:
    assert _usage(answer(counted)) is None


def test_what_was_counted_before_does_not_stand_in_for_an_impossible_count() -> None:
    assert _usage(messages({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": -7})) is None
    assert _usage(messages({"input_tokens": -5, "cache_read_input_tokens": 100}, {"output_tokens": 7})) is None
