"""What a Gemini endpoint is sent, on the wire, beside what Google's SDK sends."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import pytest
from google.genai import Client
from google.genai.types import GenerateContentConfig, HttpOptions

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.gemini.test_reader import RICH, chunk, end, text
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.gemini.adapter import API_VERSION, GeminiAdapter, resource
from worker.providers.http_client import MAX_ERROR_BYTES


async def test_the_request_on_the_wire(
    upstream: Upstream, ask: Callable[..., GenerationRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    settings = ProviderSettings(protocol="gemini", base_url=f"{upstream.url}/root/", api_key_env="ACME_KEY")
    provider = GeminiAdapter("acme", settings)
    upstream.reply = Reply([RICH])
    extra = {"acme": {"safetySettings": [], "generationConfig": {"topK": 3}}, "other": {"no": 1}}
    request = ask(max_tokens=9, metadata={"mine": "x"}, extra=extra)
    assert (await outcome(provider, request, "gemini-x")).error is None
    await provider.aclose()
    call = upstream.calls[0]
    assert call.target == "/root/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
    assert call.headers["x-goog-api-key"] == "k-123"
    assert call.headers["user-agent"] == "midstream"
    assert call.headers["content-type"] == "application/json"
    assert "authorization" not in call.headers
    assert call.body == {
        "contents": [{"role": "user", "parts": [{"text": "Why is the sky blue?"}]}],
        "generationConfig": {"topK": 3},
        "safetySettings": [],
    }


@pytest.mark.parametrize("base", ["", "/", "/root", "/root/"])
async def test_the_request_is_where_and_what_the_sdk_sends(
    upstream: Upstream, ask: Callable[..., GenerationRequest], monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    upstream.reply = Reply([chunk(text("Light.")) + end()])
    settings = ProviderSettings(protocol="gemini", base_url=upstream.url + base, api_key_env="ACME_KEY")
    provider = GeminiAdapter("acme", settings)
    assert (await outcome(provider, ask(max_tokens=9), "gemini-x")).error is None
    await provider.aclose()

    async with httpx2.AsyncClient(trust_env=False) as http:
        options = HttpOptions(base_url=upstream.url + base, api_version=API_VERSION, httpx_async_client=http)
        sdk = Client(vertexai=False, api_key="k-123", http_options=options)
        config = GenerateContentConfig(max_output_tokens=9)
        stream = await sdk.aio.models.generate_content_stream(
            model="gemini-x", contents="Why is the sky blue?", config=config
        )
        assert [piece async for piece in stream]
        sdk.close()

    ours, theirs = upstream.calls
    assert ours.target == theirs.target
    assert ours.body == theirs.body
    for header in ("x-goog-api-key", "content-type"):
        assert ours.headers[header] == theirs.headers[header]


def test_the_official_address_is_the_sdks() -> None:
    client = Client(vertexai=False, api_key="k")
    assert f"{ProviderSettings(protocol='gemini').address}/" == client._api_client._http_options.base_url
    client.close()


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("clock?deltas=5&rate=0", "models/clock%3Fdeltas%3D5%26rate%3D0"),
        ("../../v1/files", "models/..%2F..%2Fv1%2Ffiles"),
        ("x:delete?a=#", "models/x%3Adelete%3Fa%3D%23"),
        ("models/", "models/models%2F"),
    ],
)
def test_no_model_name_leads_elsewhere(model: str, path: str) -> None:
    assert resource(model) == path


async def test_a_model_name_arrives_as_it_is(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    provider = GeminiAdapter("acme", ProviderSettings(protocol="gemini", base_url=upstream.url))
    upstream.reply = Reply([RICH])
    assert (await outcome(provider, ask(), "../a?b=c&d")).error is None
    await provider.aclose()
    assert upstream.calls[0].target == "/v1beta/models/..%2Fa%3Fb%3Dc%26d:streamGenerateContent?alt=sse"


async def test_what_the_protocol_cannot_say_is_refused_before_it_is_sent(
    upstream: Upstream, ask: Callable[..., GenerationRequest]
) -> None:
    provider = GeminiAdapter("acme", ProviderSettings(protocol="gemini", base_url=upstream.url))
    got = await outcome(provider, ask(parallel_tool_calls=False))
    await provider.aclose()
    assert (got.failure.code, got.failure.retryable) == ("bad_request", False)
    assert upstream.calls == []


@pytest.mark.parametrize(
    "body",
    [b"<html>SECRET", b"", b"[", b"[]", b"x" * (MAX_ERROR_BYTES + 100_000)],
    ids=["html", "none", "cut", "list", "huge"],
)
async def test_a_refusal_that_is_no_error_document(
    upstream: Upstream, ask: Callable[..., GenerationRequest], body: bytes
) -> None:
    provider = GeminiAdapter("acme", ProviderSettings(protocol="gemini", base_url=upstream.url))
    upstream.reply = Reply([body], status=503, headers={"content-type": "text/html"})
    got = await outcome(provider, ask())
    await provider.aclose()
    assert (got.failure.code, got.failure.retryable) == ("overloaded", True)
    assert "SECRET" not in got.failure.message


async def test_an_error_in_a_list_of_one(upstream: Upstream, ask: Callable[..., GenerationRequest]) -> None:
    provider = GeminiAdapter("acme", ProviderSettings(protocol="gemini", base_url=upstream.url))
    error = {"error": {"code": 400, "status": "FAILED_PRECONDITION", "message": "SECRET"}}
    upstream.reply = Reply([json.dumps([error]).encode()], status=400, headers={"content-type": "application/json"})
    got = await outcome(provider, ask())
    await provider.aclose()
    assert got.failure.code == "permission"
    assert "FAILED_PRECONDITION" in got.failure.message
