"""What the network does to an answer: cuts, breaks, silence, and readers that leave."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import os
import resource
import socket
import traceback
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.anthropic.test_reader import RICH as MESSAGES
from tests.worker.providers.gemini.test_reader import RICH as GEMINI
from tests.worker.providers.openai_chat.test_reader import RICH as CHAT
from tests.worker.providers.openai_responses.responses_stream import SHORT as RESPONSES
from tests.worker.providers.upstream import Outcome, Reply, Upstream, outcome
from worker.providers import stream
from worker.providers.answer_reading import AnswerReader
from worker.providers.anthropic.reader import MessagesReader
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.gemini.reader import GeminiReader
from worker.providers.openai_chat.reader import ChatReader
from worker.providers.openai_responses.reader import ResponsesReader
from worker.providers.provider import Provider, ProviderError, ProviderEvent
from worker.providers.registry import Registry

Adapter = Callable[..., Provider]
Ask = Callable[..., GenerationRequest]

BODIES: dict[Protocol, bytes] = {
    "openai-chat": CHAT,
    "openai-responses": RESPONSES,
    "anthropic": MESSAGES,
    "gemini": GEMINI,
}
READERS: dict[Protocol, Callable[[str], AnswerReader]] = {
    "openai-chat": ChatReader,
    "openai-responses": ResponsesReader,
    "anthropic": MessagesReader,
    "gemini": GeminiReader,
}

pytestmark = pytest.mark.parametrize("protocol", list(BODIES))


ENDS: dict[Protocol, bytes] = {
    "openai-chat": b'"finish_reason": "tool_calls"',
    "openai-responses": b'"type": "response.completed"',
    "anthropic": b'"stop_reason": "',
    "gemini": b'"finishReason": "STOP"',
}


def ending(protocol: Protocol) -> int:
    """Bytes of the answer up to the last of the event that completes it; a finish reason does, where there is one."""
    body = BODIES[protocol]
    return len(body[: body.index(b"\n", body.rindex(ENDS[protocol]))].rstrip())


async def served(pieces: list[bytes], protocol: Protocol) -> Outcome:
    """What comes of these pieces without a socket, for the many cuts that would take too many requests."""

    async def send() -> httpx2.Response:
        async def content() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content())

    reader = READERS[protocol]("acme")
    batches: list[list[ProviderEvent]] = []
    try:
        async for events in stream.follow("acme", send, reader):
            batches.append(events)
    except ProviderError as error:
        return Outcome(batches, error)
    return Outcome(batches, None)


async def test_every_cut_gives_the_same_events(protocol: Protocol) -> None:
    body = BODIES[protocol]
    whole = await served([body], protocol)
    assert whole.error is None
    for place in range(1, len(body)):
        assert (await served([body[:place], body[place:]], protocol)).events == whole.events


async def test_every_early_end_is_an_error_that_keeps_what_was_said(protocol: Protocol) -> None:
    body = BODIES[protocol]
    whole = await served([body], protocol)
    for length in range(ending(protocol)):
        got = await served([body[:length]], protocol)
        assert got.failure.code == "incomplete_stream"
        assert got.events == whole.events[: len(got.events)]


async def test_an_answer_is_whole_with_the_event_that_ends_it(protocol: Protocol) -> None:
    """Its blank line, the counts, the terminal marker: what follows may be missing, or half of it."""
    body = BODIES[protocol]
    whole = await served([body], protocol)
    for length in range(ending(protocol), len(body)):
        got = await served([body[:length]], protocol)
        assert (got.error, got.parts()) == (None, whole.parts())
        assert got.completed.finish_reason == whole.completed.finish_reason


async def test_byte_by_byte_over_http(upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    body = BODIES[protocol]
    provider = adapter(protocol, upstream.url)
    upstream.reply = Reply([body])
    whole = await outcome(provider, ask())
    upstream.reply = Reply([body[i : i + 1] for i in range(len(body))])
    assert (await outcome(provider, ask())).events == whole.events


async def test_a_compressed_answer_is_read_though_none_was_asked_for(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    provider = adapter(protocol, upstream.url)
    upstream.reply = Reply([BODIES[protocol]])
    plain = await outcome(provider, ask())
    headers = {**upstream.reply.headers, "content-encoding": "gzip"}
    upstream.reply = Reply([gzip.compress(BODIES[protocol])], headers=headers)
    assert (await outcome(provider, ask())).events == plain.events
    assert upstream.calls[0].headers["accept-encoding"] == "identity"
    upstream.reply = Reply([b"not gzip"], headers=headers)
    assert (await outcome(provider, ask())).failure.code == "invalid_response"


async def test_the_connection_serves_the_next_request(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    provider = adapter(protocol, upstream.url)
    # The end of the body is a piece of its own, behind the terminal marker.
    upstream.reply = Reply([BODIES[protocol], b": bye\n\n"])
    for _ in range(3):
        assert (await outcome(provider, ask())).error is None
    assert {call.connection for call in upstream.calls} == {1}


async def test_a_server_that_never_closes_the_body_delays_nothing(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    # Gemini has no terminal marker: more of its answer may follow.
    times = CallTimes(after_finish_s=0.2) if protocol == "gemini" else CALL_TIMES
    upstream.reply = Reply([BODIES[protocol]], end="hang")
    async with asyncio.timeout(5):
        assert (await outcome(adapter(protocol, upstream.url, times), ask())).error is None
        await upstream.calls[0].left.wait()


async def test_closing_the_generator_closes_the_connection(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    upstream.reply = Reply([BODIES[protocol][:-40]], end="hang")
    answer = adapter(protocol, upstream.url).stream(ask(), "m")
    assert await anext(answer)
    assert not upstream.calls[0].left.is_set()
    await answer.aclose()
    async with asyncio.timeout(1):
        await upstream.calls[0].left.wait()


@pytest.mark.parametrize("pieces", [1, 0], ids=["in the stream", "before the first byte"])
async def test_cancelling_the_reader_closes_the_connection(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, pieces: int
) -> None:
    upstream.reply = Reply([BODIES[protocol][:-40]] * pieces, end="hang")
    heard = asyncio.Event()
    provider = adapter(protocol, upstream.url)

    async def listen() -> None:
        async for _ in provider.stream(ask(), "m"):
            heard.set()

    task = asyncio.create_task(listen())
    async with asyncio.timeout(5):
        while not (heard.is_set() if pieces else upstream.calls):
            await asyncio.sleep(0.005)
    assert not upstream.calls[0].left.is_set()
    task.cancel()
    async with asyncio.timeout(1):
        await upstream.calls[0].left.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_connection_that_breaks(upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    upstream.reply = Reply([BODIES[protocol][: ending(protocol) - 40]], end="abort")
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.failure.code, got.failure.retryable) == ("connection", True)
    assert got.events


async def test_no_connection(adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    got = await outcome(adapter(protocol, f"http://127.0.0.1:{port}"), ask())
    assert (got.failure.code, got.failure.retryable) == ("connection", True)


@pytest.mark.parametrize("times", [CallTimes(begin_s=0.05)])
async def test_silence_before_an_answer_is_a_timeout(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    provider = adapter(protocol, upstream.url)
    upstream.reply = Reply(end="silent")
    got = await outcome(provider, ask())
    assert (got.failure.code, got.failure.retryable) == ("provider_timeout", True)
    assert not got.events


async def test_keep_alives_give_nothing(upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    ping = b'event: ping\ndata: {"type":"ping"}\n\n' if protocol == "anthropic" else b"data:\n\n"
    upstream.reply = Reply([b": keep-alive\n\n", ping] * 50 + [BODIES[protocol]])
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert got.error is None
    assert len(got.batches) == (2 if protocol == "gemini" else 1)


async def test_what_comes_after_the_end_is_ignored(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol
) -> None:
    provider = adapter(protocol, upstream.url)
    upstream.reply = Reply([BODIES[protocol]])
    whole = await outcome(provider, ask())
    again = b"" if protocol == "gemini" else BODIES[protocol]  # it has no terminal marker
    upstream.reply = Reply([BODIES[protocol] + b"data: nonsense\n\n" + again])
    assert (await outcome(provider, ask())).events == whole.events


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "application/json"])
async def test_a_page_instead_of_a_stream(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, media_type: str
) -> None:
    upstream.reply = Reply([b"<html>"], headers={"content-type": media_type})
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.failure.code, got.failure.retryable) == ("invalid_response", False)
    assert "check base_url" in got.failure.message


async def test_an_endless_event(upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    upstream.reply = Reply([BODIES[protocol][:600], *([b"x" * 1_000_000] * 66)], end="hang")
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert got.failure.code == "invalid_response"
    assert got.events
    async with asyncio.timeout(5):
        await upstream.calls[0].left.wait()


async def test_a_key_that_no_header_can_hold(
    upstream: Upstream, ask: Ask, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "sk\n1")
    settings = ProviderSettings(protocol=protocol, base_url=upstream.url, api_key_env="ACME_KEY")
    registry = Registry({"acme": settings})
    got = await outcome(registry.get("acme"), ask())
    await registry.aclose()
    assert (got.failure.code, got.failure.retryable) == ("bad_request", False)
    assert "sk" not in "".join(traceback.format_exception(got.failure)).replace("ask", "")


async def test_a_redirect_is_not_followed(upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    upstream.reply = Reply(status=307, headers={"location": f"{upstream.url}/elsewhere"})
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.failure.code, got.failure.retryable) == ("provider_error", False)
    assert len(upstream.calls) == 1


async def test_nothing_is_tried_twice(upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol) -> None:
    upstream.reply = Reply(status=500, headers={"content-type": "application/json", "x-should-retry": "true"})
    got = await outcome(adapter(protocol, upstream.url), ask())
    assert (got.failure.code, got.failure.retryable) == ("provider_error", True)
    assert len(upstream.calls) == 1


async def test_an_error_says_nothing_of_what_was_asked(
    upstream: Upstream, adapter: Adapter, ask: Ask, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    error = {"type": "invalid_request_error", "code": "bad value: SECRET", "message": "You said: SECRET"}
    upstream.reply = Reply([json.dumps({"error": error}).encode()], status=400)
    got = await outcome(adapter(protocol, upstream.url), ask(messages=[{"role": "user", "content": "SECRET"}]))
    assert got.failure.code == "bad_request"
    assert "invalid_request_error" in got.failure.message
    assert "SECRET" not in "".join(traceback.format_exception(got.failure)) + caplog.text


@given(cuts=st.lists(st.integers(min_value=1, max_value=400), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_cutting_gives_the_same_events(protocol: Protocol, cuts: list[int]) -> None:
    """Into pieces of these sizes, and again from the first size on until the body is used up."""
    body = BODIES[protocol]
    pieces: list[bytes] = []
    sizes = itertools.cycle(cuts)
    place = 0
    while place < len(body):
        size = next(sizes)
        pieces.append(body[place : place + size])
        place += size
    assert asyncio.run(served(pieces, protocol)).events == asyncio.run(served([body], protocol)).events


async def test_no_descriptor_left_is_not_the_providers_fault(
    protocol: Protocol, upstream: Upstream, adapter: Adapter, ask: Ask
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    subject = adapter(protocol, upstream.url)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        error = (await outcome(subject, ask())).error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error is not None
    assert (error.code, error.retryable) == ("worker_exhausted", True)
    assert "provider" not in error.message
