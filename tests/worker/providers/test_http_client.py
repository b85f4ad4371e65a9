"""Errors of providers are read up to a bound, however they are packed, and say what they would have said."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.http_client import MAX_ERROR_BYTES

Ask = Callable[..., GenerationRequest]
PROTOCOLS: tuple[Protocol, ...] = ("openai-chat", "openai-responses", "anthropic", "gemini")
ERROR = json.dumps({"error": {"type": "rate_limit_error", "message": "x"}}).encode()
BOMB = b'{"error":{"message":"' + b"x" * 100_000_000

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda content: content,
    "gzip": lambda content: gzip.compress(content, 1),
    "deflate": lambda content: zlib.compress(content, 1),
    "gzip, gzip": lambda content: gzip.compress(gzip.compress(content, 1), 1),
    "gzip, gzip, gzip": lambda content: gzip.compress(gzip.compress(gzip.compress(content, 1), 1), 1),
}


def reply(coding: str, content: bytes, status: int = 429) -> Reply:
    packed = PACKED[coding](content)
    pieces = [packed[start : start + 65_536] for start in range(0, len(packed), 65_536)]
    return Reply(pieces, status=status, headers={"content-type": "application/json", "content-encoding": coding})


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("coding", PACKED)
async def test_an_error_is_unpacked_up_to_a_bound(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, coding: str
) -> None:
    upstream.reply = reply(coding, BOMB if coding != "identity" else BOMB[: 3 * MAX_ERROR_BYTES])
    provider = adapter(protocol, upstream.url)
    tracemalloc.start()
    try:
        got = await outcome(provider, ask())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.failure.code == "rate_limit"
    assert peak < 20 * MAX_ERROR_BYTES


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_end_of_a_long_error_is_not_waited_for(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    upstream.reply = Reply([BOMB[: 2 * MAX_ERROR_BYTES]], "hang", 429, {"content-type": "application/json"})
    async with asyncio.timeout(10):
        assert (await outcome(adapter(protocol, upstream.url), ask())).failure.code == "rate_limit"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("coding", list(PACKED)[:4])
async def test_a_packed_error_says_what_it_says(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, coding: str
) -> None:
    provider = adapter(protocol, upstream.url)
    upstream.reply = reply(coding, json.dumps({"error": {"code": "context_length_exceeded"}}).encode(), 400)
    assert (await outcome(provider, ask())).failure.code == "context_length"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_status_counts_where_the_body_is_broken(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    provider = adapter(protocol, upstream.url)
    upstream.reply = Reply([b"no gzip"], status=401, headers={"content-encoding": "gzip"})
    assert (await outcome(provider, ask())).failure.code == "authentication"
    upstream.reply = Reply([ERROR[:9]], "abort", 529, {"content-type": "application/json"})
    assert (await outcome(provider, ask())).failure.code == "overloaded"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [200, 429])
async def test_no_cookie_is_kept_for_the_next_request(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, status: int
) -> None:
    headers = {"content-type": "application/json", "set-cookie": "edge=secret; Path=/"}
    upstream.reply = Reply([ERROR], status=status, headers=headers)
    provider = adapter(protocol, upstream.url)
    for _ in range(2):
        await outcome(provider, ask())
    await provider.aclose()
    assert len(upstream.calls) == 2
    assert ["cookie" in call.headers for call in upstream.calls] == [False, False]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_headers_of_the_shell_go_to_no_endpoint(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDKs take them from the environment (OPENAI_CUSTOM_HEADERS, ANTHROPIC_CUSTOM_HEADERS) for any address."""
    for vendor in ("OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.setenv(f"{vendor}_CUSTOM_HEADERS", "X-Shell: secret\nAuthorization: Bearer secret")
    upstream.reply = Reply([ERROR], status=429, headers={"content-type": "application/json"})
    await outcome(adapter(protocol, upstream.url), ask())
    [call] = upstream.calls
    assert "x-shell" not in call.headers
    assert "secret" not in str(call.headers)
    assert os.environ["OPENAI_CUSTOM_HEADERS"]
