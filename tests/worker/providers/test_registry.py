"""Adapters by name."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from shared.config.protocols import KeyHeader, Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from tests.harness.repository import ROOT
from tests.worker.providers.anthropic.test_reader import RICH
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.anthropic.adapter import AnthropicAdapter
from worker.providers.openai_chat.adapter import OpenAIChatAdapter
from worker.providers.registry import Registry


async def test_one_adapter_for_each_endpoint(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    registry = Registry(
        {
            "here": ProviderSettings(protocol="anthropic", base_url=upstream.url),
            "there": ProviderSettings(protocol="openai-chat", base_url=upstream.url),
        }
    )
    here, there = registry.get("here"), registry.get("there")
    assert isinstance(here, AnthropicAdapter)
    assert isinstance(there, OpenAIChatAdapter)
    assert registry.get("here") is here
    assert (here.name, there.name) == ("here", "there")
    upstream.reply = Reply([RICH])
    assert (await outcome(here, ask())).error is None
    assert upstream.connected == 1
    await registry.aclose()
    async with asyncio.timeout(5):
        while upstream.connected:
            await asyncio.sleep(0.005)


PATHS: dict[Protocol, str] = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/v1/messages",
    "gemini": "/v1/v1beta/models/m:streamGenerateContent",
}


@pytest.mark.parametrize("root", ["/v1?api-version=2024-10-21&k=a%2Fb", "/v1/?api-version=2024-10-21&k=a%2Fb", "/v1"])
@pytest.mark.parametrize("protocol", PATHS)
async def test_the_query_of_an_address_goes_behind_the_path(
    upstream: Upstream, ask: Callable[..., GenerationRequest], protocol: Protocol, root: str
) -> None:
    registry = Registry({"acme": ProviderSettings(protocol=protocol, base_url=f"{upstream.url}{root}")})
    upstream.reply = Reply([b"data: [DONE]\n\n"])
    await outcome(registry.get("acme"), ask())
    await registry.aclose()
    queries = [query for query in (root.partition("?")[2], "alt=sse" if protocol == "gemini" else "") if query]
    assert upstream.calls[0].target == PATHS[protocol] + ("?" if queries else "") + "&".join(queries)


KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
OWN: dict[Protocol, str] = {
    "openai-chat": "authorization",
    "openai-responses": "authorization",
    "anthropic": "x-api-key",
    "gemini": "x-goog-api-key",
}


@pytest.mark.parametrize("header", [None, *KEY_HEADERS])
@pytest.mark.parametrize("protocol", OWN)
async def test_the_key_goes_in_one_header(
    upstream: Upstream,
    ask: Callable[..., GenerationRequest],
    monkeypatch: pytest.MonkeyPatch,
    protocol: Protocol,
    header: KeyHeader | None,
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    settings = ProviderSettings(protocol=protocol, base_url=upstream.url, api_key_env="ACME_KEY", key_header=header)
    registry = Registry({"acme": settings})
    upstream.reply = Reply([b"data: [DONE]\n\n"])
    await outcome(registry.get("acme"), ask())
    await registry.get("acme").cancel(ask(on_interrupt="continue"), "r_1")
    await registry.aclose()
    assert len(upstream.calls) == (2 if protocol == "openai-responses" else 1)
    name = header or OWN[protocol]
    for call in upstream.calls:
        sent = {one: call.headers[one] for one in KEY_HEADERS if one in call.headers}
        assert sent == {name: "Bearer k-123" if name == "authorization" else "k-123"}
        assert [value for value in call.headers.values() if "k-123" in value] == [*sent.values()]


async def test_an_unknown_name() -> None:
    with pytest.raises(KeyError):
        Registry({}).get("nowhere")


def test_only_an_endpoints_own_sdk_is_loaded() -> None:
    program = """
import sys, worker.main
from shared.config.provider_settings import ProviderSettings
from worker.providers.registry import Registry
loaded = {"openai", "anthropic"} & sys.modules.keys()
assert not loaded, loaded
Registry({"a": ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9")})
assert "anthropic" not in sys.modules
Registry({"a": ProviderSettings(protocol="gemini", base_url="http://127.0.0.1:9")})
assert "google" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=40, cwd=ROOT)
