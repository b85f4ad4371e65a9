"""Connections: bounded, timed, one request after the other, and kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import pytest

from api.serving.uvicorn_protocol import MAX_TURNED_AWAY
from tests.api.harness import DEADLINE, Api, MakeApi, Producer, until

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


class Wire:
    """A connection, in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next response, whose body has a length."""
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head.split()[1]), headers, body

    async def problem(self) -> str:
        """The code of the next response, after which the connection is closed."""
        _, headers, body = await self.answer()
        assert headers["connection"] == "close"
        assert parsedate_to_datetime(headers["date"])  # RFC 9110, 6.6.1: also of what never becomes a request
        async with asyncio.timeout(DEADLINE):
            assert await self.reader.read() == b""
        code: str = json.loads(body)["code"]
        return code


@contextlib.asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    "half", [GET[:9], POST + b"Content-Length: 9\r\n\r\n{", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\na"]
)
async def test_half_a_request_has_its_time(make_api: MakeApi, redis_url: str, half: bytes) -> None:
    api = await make_api(redis_url, header_timeout=0.2, body_timeout=0.2)
    async with connected(api) as wire, connected(api) as idle:
        wire.writer.write(half)
        assert await wire.problem() == "request_timeout"
        idle.writer.write(GET)
        assert (await idle.answer())[0] == 200
        idle.writer.write(half)
        assert await idle.problem() == "request_timeout"


async def test_half_a_request_after_a_stream_has_its_time(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, header_timeout=0.2)
    running = await Producer.start(api.log, await api.post())
    async with connected(api) as wire:
        wire.writer.write(
            f"GET /v1/generations/{running.generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\nGET".encode()
        )
        async with asyncio.timeout(DEADLINE):
            await wire.reader.readuntil(b"event: attempt\n")
            await running.complete()
            await wire.reader.readuntil(b"\r\n0\r\n\r\n")
        assert await wire.problem() == "request_timeout"


async def test_connections_have_a_bound(make_api: MakeApi, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    api = await make_api(redis_url, max_connections=2)
    async with connected(api) as first, connected(api) as second:
        for wire in (first, second):
            wire.writer.write(GET)
            assert (await wire.answer())[0] == 200
        for _ in range(2):
            async with connected(api) as other:
                other.writer.write(GET)
                assert await other.problem() == "too_many_connections"
        # However many stay open that were told, the next one is told too.
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(MAX_TURNED_AWAY + 10):
                silent = await stack.enter_async_context(connected(api))
                assert await silent.problem() == "too_many_connections"
            assert len(api.server.server_state.connections) <= 2 + MAX_TURNED_AWAY
            other = await stack.enter_async_context(connected(api))
            other.writer.write(GET)
            assert (await other.answer())[0] == 503
    assert caplog.text.count("2 connections are open, as many as this process takes") == 1
    await until(lambda: not api.server.server_state.connections, "the connections to be closed")
    async with connected(api) as other:
        other.writer.write(GET)
        assert (await other.answer())[0] == 200


@pytest.mark.parametrize("second", [b"GET /livez HTTP/1.0\r\n\r\n", GET.replace(b"Host", b"Connection: close\r\nHost")])
async def test_a_request_waits_for_the_answer_to_the_one_before(api: Api, running: Producer, second: bytes) -> None:
    async with connected(api) as wire:
        first = f"GET /v1/generations/{running.generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        wire.writer.write(first + second)
        async with asyncio.timeout(DEADLINE):
            assert b"connection: close" not in await wire.reader.readuntil(b"\r\n\r\n")
            await wire.reader.readuntil(b"event: attempt\n")
            await running.complete()
            assert b"event: completed" in await wire.reader.readuntil(b"\r\n0\r\n\r\n")
        assert (await wire.answer())[1]["connection"] == "close"


@pytest.mark.parametrize("coding", [b"Content-Length: 20\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n14\r\n"])
async def test_a_request_answered_before_its_end_is_followed_by_the_next(
    make_api: MakeApi, redis_url: str, coding: bytes
) -> None:
    """As when a proxy sends head and body apart, and the address is nobody's."""
    api = await make_api(redis_url, keep_alive=1)
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n" + coding
    end = b"" if b"Length" in coding else b"\r\n0\r\n\r\n"
    async with connected(api) as wire:
        for following in (b"", GET):
            wire.writer.write(head + b"0123456789")
            assert (await wire.answer())[0] == 404
            wire.writer.write(b"0123456789" + end + following)
            if not following:
                wire.writer.write(GET)
            assert (await wire.answer())[0] == 200
        wire.writer.write(head)
        assert (await wire.answer())[0] == 404
        wire.writer.write(b"0123456789" * 2 + end)
        # What is idle again is closed in its time.
        async with asyncio.timeout(DEADLINE):
            assert await wire.reader.read() == b""


async def test_what_is_refused_is_read_out(api: Api) -> None:
    async with connected(api) as wire:
        wire.writer.write(POST + b"Content-Length: 16000000\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            for _ in range(16):
                wire.writer.write(b" " * 1_000_000)
                await wire.writer.drain()
        assert await wire.problem() == "body_too_large"


async def test_a_kept_connection_is_answered_once_more_while_the_server_ends(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    async with connected(api) as wire:
        wire.writer.write(GET)
        status, headers, _ = await wire.answer()
        assert (status, headers["keep-alive"]) == (200, "timeout=75")
        [protocol] = api.server.server_state.connections
        protocol.shutdown()
        wire.writer.write(GET)
        status, headers, _ = await wire.answer()
        assert (status, headers["connection"], headers.get("keep-alive")) == (200, "close", None)
