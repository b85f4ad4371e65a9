"""What a Messages endpoint is sent, on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.log.snapshots import PartSoFar, Snapshot
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.anthropic.test_reader import RICH
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.anthropic.adapter import AnthropicAdapter


async def test_the_request_on_the_wire(
    upstream: Upstream, ask: Callable[..., GenerationRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    settings = ProviderSettings(protocol="anthropic", base_url=upstream.url, api_key_env="ACME_KEY")
    provider = AnthropicAdapter("acme", settings)
    upstream.reply = Reply([RICH])
    request = ask(max_tokens=9, temperature=0.5, metadata={"mine": "x"})
    assert (await outcome(provider, request, "claude-x")).error is None
    await provider.aclose()
    call = upstream.calls[0]
    assert call.target == "/v1/messages"
    assert call.headers["x-api-key"] == "k-123"
    assert "authorization" not in call.headers
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert call.body == {
        "model": "claude-x",
        "max_tokens": 9,
        "stream": True,
        "temperature": 0.5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Why is the sky blue?"}]}],
    }


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_the_key_goes_in_the_configured_header(
    upstream: Upstream,
    ask: Callable[..., GenerationRequest],
    monkeypatch: pytest.MonkeyPatch,
    header: Literal["x-api-key", "authorization"],
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    provider = AnthropicAdapter(
        "acme",
        ProviderSettings(protocol="anthropic", base_url=upstream.url, api_key_env="ACME_KEY", key_header=header),
    )
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, ask())).error is None
    await provider.aclose()
    sent = {name: upstream.calls[0].headers.get(name) for name in ("x-api-key", "authorization")}
    assert {name: value for name, value in sent.items() if value} == {
        header: "k-123" if header == "x-api-key" else "Bearer k-123"
    }


DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
CITED = {"type": "text", "text": "x", "citations": [{"type": "char_location"}]}
FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [CITED]}


def said(role: str, *blocks: Any) -> dict[str, Any]:
    """`extra` that adds a message."""
    return {"extra": {"acme": {"messages": [{"role": role, "content": list(blocks)}]}}}


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({}, "2026-10-21"),
        ({"max_tokens": 9, "stop": "x", "reasoning_effort": "low"}, "2026-10-21"),
        ({"temperature": 0}, "2023-06-01"),
        ({"temperature": 1}, "2023-06-01"),
        ({"top_p": 0.5}, "2023-06-01"),
        ({"extra": {"acme": {"top_k": 4}}}, "2023-06-01"),
        ({"extra": {"acme": {"top_k": None}}}, "2023-06-01"),
        ({"extra": {"acme": {"temperature": 0.5}}}, "2023-06-01"),
        ({"extra": {"other": {"temperature": 0.5}}}, "2026-10-21"),
        (said("assistant", DOCUMENT), "2023-06-01"),
        (said("user", DOCUMENT), "2026-10-21"),
        (said("assistant", {"type": "web_fetch_tool_result", "content": [DOCUMENT]}), "2026-10-21"),
        (said("user", CITED), "2023-06-01"),
        (said("assistant", CITED), "2026-10-21"),
        (said("user", CITED | {"citations": []}), "2026-10-21"),
        (said("user", FOUND), "2023-06-01"),
        (said("user", {"type": "tool_result", "tool_use_id": "t", "content": [FOUND]}), "2023-06-01"),
        (said("user", DOCUMENT | {"citations": {"enabled": True}}), "2026-10-21"),
    ],
)
async def test_the_newest_version_that_takes_the_request(
    upstream: Upstream, ask: Callable[..., GenerationRequest], fields: dict[str, Any], version: str
) -> None:
    provider = AnthropicAdapter("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, ask(**fields), "claude-sonnet-4-6")).error is None
    await provider.aclose()
    assert upstream.calls[0].headers["anthropic-version"] == version


async def test_a_fixed_version(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    upstream.reply = Reply([RICH])
    for version in ("2023-06-01", "2026-10-21"):
        settings = ProviderSettings(protocol="anthropic", base_url=upstream.url, anthropic_version=version)
        provider = AnthropicAdapter("acme", settings)
        for fields in ({}, {"temperature": 1}, {"temperature": 0.5}):
            got = await outcome(provider, ask(**fields), "claude-sonnet-4-6")
            assert (got.error is None) == (version == "2023-06-01" or fields != {"temperature": 0.5})
        await provider.aclose()
        assert {call.headers["anthropic-version"] for call in upstream.calls} == {version}
        assert ["temperature" in call.body for call in upstream.calls] == (
            [False, True, True] if version == "2023-06-01" else [False, False]
        )
        upstream.calls.clear()


async def test_the_version_of_what_goes_on(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    settings = ProviderSettings(protocol="anthropic", base_url=upstream.url, prefill="assistant")
    provider = AnthropicAdapter("acme", settings)
    upstream.reply = Reply([RICH])
    request = ask(temperature=0.5, on_interrupt="continue")
    so_far = Snapshot()
    so_far.parts = [PartSoFar(kind="text", pieces=["The sky"])]
    async for _ in provider.stream(request, "claude-3-5-haiku-latest", so_far):
        pass
    await provider.aclose()
    (call,) = upstream.calls
    assert call.body["messages"][-1]["role"] == "assistant"
    assert call.headers["anthropic-version"] == "2023-06-01"


async def test_extra_is_merged_last(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    provider = AnthropicAdapter("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    upstream.reply = Reply([RICH])
    search = {"type": "web_search_20260318", "name": "web_search"}
    extra = {"acme": {"tools": [search], "max_tokens": 7, "service_tier": "auto"}, "other": {"top_k": 1}}
    tools = [{"type": "function", "function": {"name": "rain"}}]
    assert (await outcome(provider, ask(tools=tools, extra=extra, max_tokens=9))).error is None
    await provider.aclose()
    body = upstream.calls[0].body
    assert body["tools"] == [{"name": "rain", "input_schema": {"type": "object", "properties": {}}}, search]
    assert (body["max_tokens"], body["service_tier"]) == (7, "auto")
    assert "top_k" not in body


async def test_betas_are_a_header(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    provider = AnthropicAdapter("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    upstream.reply = Reply([RICH])
    betas = ["context-management-2025-06-27", "effort-2025-11-24"]
    assert (await outcome(provider, ask(extra={"acme": {"betas": betas}, "other": {"betas": ["x"]}}))).error is None
    assert (await outcome(provider, ask())).error is None
    await provider.aclose()
    with_betas, without = upstream.calls
    assert with_betas.headers["anthropic-beta"] == ",".join(betas)
    assert "anthropic-beta" not in without.headers
    assert with_betas.body == without.body


async def test_what_the_protocol_cannot_say_is_refused_before_it_is_sent(
    upstream: Upstream, ask: Callable[..., GenerationRequest]
) -> None:
    provider = AnthropicAdapter("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    got = await outcome(provider, ask(temperature=1.5))
    await provider.aclose()
    assert (got.failure.code, got.failure.retryable) == ("bad_request", False)
    assert upstream.calls == []
