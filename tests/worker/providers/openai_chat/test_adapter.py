"""What a Chat Completions endpoint is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.openai_chat.test_reader import RICH
from tests.worker.providers.upstream import Call, Reply, Upstream, outcome
from worker.providers.openai_chat.adapter import OpenAIChatAdapter
from worker.providers.provider import Provider, ProviderEvent

Ask = Callable[..., GenerationRequest]

EVERYTHING: dict[str, Any] = {
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What?"}], "name": "ada"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "rain", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "No."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
    ],
    "tools": [{"type": "function", "function": {"name": "rain", "parameters": {"type": "object", "properties": {}}}}],
    "tool_choice": {"type": "function", "function": {"name": "rain"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "temperature": 0.0,
    "top_p": 0.5,
    "stop": ["a", "b"],
    "seed": 7,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "reasoning_effort": "low",
}


async def sent(upstream: Upstream, provider: Provider, request: GenerationRequest) -> Call:
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, request, "org/model:1")).error is None
    return upstream.calls[-1]


async def test_a_request_is_passed_on_as_it_is(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask
) -> None:
    request = ask(**EVERYTHING, max_tokens=9, metadata={"mine": "x"}, ttl=60, on_interrupt="fail")
    call = await sent(upstream, adapter("openai-chat", upstream.url), request)
    assert call.target == "/v1/chat/completions"
    messages = [message.copy() for message in EVERYTHING["messages"]]
    messages[0]["role"] = "system"
    messages[2]["content"] = None
    expected = {"model": "org/model:1", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 9}
    assert call.body == {**expected, **EVERYTHING, "messages": messages}


async def test_only_what_was_asked_for_is_sent(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask
) -> None:
    call = await sent(upstream, adapter("openai-chat", upstream.url), ask())
    assert set(call.body) == {"model", "messages", "stream", "stream_options"}


async def test_the_key_comes_from_its_variable_and_openai_identities_stay_at_openai(
    upstream: Upstream, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    settings = ProviderSettings(protocol="openai-chat", base_url=upstream.url, api_key_env="ACME_KEY")
    provider = OpenAIChatAdapter("acme", settings)
    call = await sent(upstream, provider, ask())
    await provider.aclose()
    assert call.headers["authorization"] == "Bearer k-123"
    assert not {"openai-organization", "openai-project"} & set(call.headers)


async def test_extra_is_merged_last(upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask) -> None:
    extra = {"acme": {"tools": [{"type": "web"}], "top_k": 3, "temperature": 0.1}, "other": {"top_p": 1}}
    request = ask(tools=EVERYTHING["tools"], temperature=0.5, extra=extra)
    body = (await sent(upstream, adapter("openai-chat", upstream.url), request)).body
    assert body["tools"] == [*EVERYTHING["tools"], {"type": "web"}]
    assert (body["top_k"], body["temperature"], "top_p" in body) == (3, 0.1, False)


def knows_no_stream_options(body: dict[str, Any]) -> Reply:
    """It says so as Mistral does."""
    if "stream_options" not in body:
        return Reply([RICH])
    place = ["body", "stream_options", "include_usage"]
    detail = {"detail": [{"type": "extra_forbidden", "loc": place, "msg": "Extra inputs are not permitted"}]}
    refusal = {"object": "error", "message": detail, "type": "invalid_request_error"}
    return Reply([json.dumps(refusal).encode()], status=422, headers={"content-type": "application/json"})


async def test_stream_options_that_are_refused_are_left_out_from_then_on(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask
) -> None:
    upstream.answer = knows_no_stream_options
    provider = adapter("openai-chat", upstream.url)
    for _ in range(2):
        assert (await outcome(provider, ask())).error is None
    assert ["stream_options" in call.body for call in upstream.calls] == [True, False, False]
    # What the caller asked for is not taken back.
    own = {"acme": {"stream_options": {"include_usage": True}}}
    assert (await outcome(provider, ask(extra=own))).failure.code == "bad_request"


async def test_a_key_with_a_curly_quote(upstream: Upstream, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "\u201csk")
    settings = ProviderSettings(protocol="openai-chat", base_url=upstream.url, api_key_env="ACME_KEY")
    provider = OpenAIChatAdapter("acme", settings)
    got = await outcome(provider, ask())
    await provider.aclose()
    assert (got.failure.code, got.failure.retryable) == ("bad_request", False)
    assert "sk" not in got.failure.message


async def test_a_thousand_calls_at_a_time(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Ask
) -> None:
    upstream.reply = Reply([RICH[:-40]], end="hang")
    provider = adapter("openai-chat", upstream.url)
    request = ask()
    answers: list[AsyncGenerator[list[ProviderEvent], None]] = []
    for _ in range(21):
        wave = [provider.stream(request, "m") for _ in range(50)]
        await asyncio.gather(*(anext(answer) for answer in wave))
        answers += wave
    assert len({call.connection for call in upstream.calls}) == 1_050
    await asyncio.gather(*(answer.aclose() for answer in answers))
