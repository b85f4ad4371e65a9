"""What a Messages endpoint is sent, on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.provider_settings import ProviderSettings
from shared.requests import GenerationRequest
from tests.worker.providers.test_anthropic_reader import RICH
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.anthropic import Anthropic


async def test_the_request_on_the_wire(
    upstream: Upstream, ask: Callable[..., GenerationRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    settings = ProviderSettings(protocol="anthropic", base_url=upstream.url, api_key_env="ACME_KEY")
    provider = Anthropic("acme", settings)
    upstream.reply = Reply([RICH])
    request = ask(max_tokens=9, temperature=0.5, metadata={"mine": "x"})
    assert (await outcome(provider, request, "claude-x")).error is None
    await provider.aclose()
    call = upstream.calls[0]
    assert call.target == "/v1/messages"
    assert call.headers["authorization"] == "Bearer k-123"
    assert call.headers["anthropic-version"]
    assert call.body == {
        "model": "claude-x",
        "max_tokens": 9,
        "stream": True,
        "temperature": 0.5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Why is the sky blue?"}]}],
    }


async def test_extra_is_merged_last(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    provider = Anthropic("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    upstream.reply = Reply([RICH])
    search = {"type": "web_search_20260318", "name": "web_search"}
    extra = {"acme": {"tools": [search], "max_tokens": 7, "service_tier": "auto"}, "other": {"top_k": 1}}
    tools = [{"type": "function", "function": {"name": "rain"}}]
    assert (await outcome(provider, ask(tools=tools, extra=extra, max_tokens=9))).error is None
    await provider.aclose()
    body = upstream.calls[0].body
    assert body["tools"] == [{"name": "rain", "input_schema": {"type": "object"}}, search]
    assert (body["max_tokens"], body["service_tier"]) == (7, "auto")
    assert "top_k" not in body


async def test_what_the_protocol_cannot_say_is_refused_before_it_is_sent(
    upstream: Upstream, ask: Callable[..., GenerationRequest]
) -> None:
    provider = Anthropic("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    got = await outcome(provider, ask(temperature=1.5))
    await provider.aclose()
    assert (got.failure.code, got.failure.retryable) == ("bad_request", False)
    assert upstream.calls == []
