"""Adapters by name."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

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
