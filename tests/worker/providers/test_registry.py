"""Adapters by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shared.requests import GenerationRequest
from shared.settings import ProviderSettings
from tests.worker.providers.test_anthropic_reader import RICH
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.anthropic import Anthropic
from worker.providers.openai_chat import OpenAIChat
from worker.providers.registry import Registry


async def test_one_adapter_for_each_endpoint(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    registry = Registry(
        {
            "here": ProviderSettings(protocol="anthropic", base_url=upstream.url),
            "there": ProviderSettings(protocol="openai-chat", base_url=upstream.url),
        }
    )
    here, there = registry.get("here"), registry.get("there")
    assert isinstance(here, Anthropic)
    assert isinstance(there, OpenAIChat)
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
