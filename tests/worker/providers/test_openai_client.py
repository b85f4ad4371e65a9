"""OpenAI's SDK: nobody but OpenAI is told who we are there, and nothing is tried twice behind our back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest

from shared.config.provider_settings import ProviderSettings
from tests.worker.providers.upstream import Reply, Upstream
from worker.providers.environment_headers import HEADER_VARIABLES
from worker.providers.openai_client import connect, is_official, post


@asynccontextmanager
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    made = connect(ProviderSettings(protocol="openai-chat", base_url=url, api_key_env="ACME_KEY"))
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("url", "official"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://acme.openai.azure.com/openai/v1", True),
        ("https://acme.services.ai.azure.com/openai/v1", True),
        ("https://acme.cognitiveservices.azure.com/openai/deployments/x?api-version=2024-10-21", True),
        # There are models of all makers, over the older API.
        ("https://acme.services.ai.azure.com/models?api-version=2024-05-01-preview", False),
        ("https://services.ai.azure.com.test/v1", False),
        ("https://services.ai.azure.com/v1", False),
        ("https://api.openai.com.evil.test/v1", False),
        ("https://evilapi.openai.com/v1", False),
        ("https://openai.azure.com.test/v1", False),
        ("http://127.0.0.1:9/v1", False),
    ],
)
async def test_who_is_openai(monkeypatch: pytest.MonkeyPatch, url: str, official: bool) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    async with client(url) as made:
        assert is_official(made) is official
        assert (made.organization, made.project) == (("org-1", "proj-1") if official else (None, None))


async def test_nothing_of_the_environment_goes_to_an_endpoint_but_its_key(
    monkeypatch: pytest.MonkeyPatch, upstream: Upstream
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv("OPENAI_ORG_ID", "theirs")
    for name in HEADER_VARIABLES:
        monkeypatch.setenv(name, "X-Own: theirs")
    upstream.reply = Reply([b"data: [DONE]\n\n"])
    async with client(f"{upstream.url}/v1") as made:
        answer = await post(made, "/chat/completions", b'{"stream":true}')
        await answer.aread()
    (call,) = upstream.calls
    assert call.target == "/v1/chat/completions"
    assert call.body == {"stream": True}
    assert call.headers["authorization"] == "Bearer k-123"
    assert "theirs" not in str(call.headers)


async def test_a_failure_is_not_tried_again(upstream: Upstream) -> None:
    upstream.reply = Reply([b"{}"], status=500)
    async with client(upstream.url) as made:
        with pytest.raises(openai.InternalServerError):
            await post(made, "/responses", b"{}")
    assert len(upstream.calls) == 1
