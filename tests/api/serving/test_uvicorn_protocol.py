"""Connections: bounded, timed, one request after the other, and kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import pytest

from api.serving.uvicorn_protocol import MAX_TURNED_AWAY
from tests.api.harness import BODY, DEADLINE, Api, MakeApi, Producer, until

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


MINE = b"X-Request-Id: mine 1/2\r\n"
MADE = re.compile(r"req_[0-9a-f]{32}")
ASKED: dict[str, tuple[int, bytes]] = {
    "alive": (200, GET),
    "of an old client": (200, b"GET /livez HTTP/1.0\r\n\r\n"),
    "no route": (404, b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "no generation": (404, b"GET /v1/generations/x/events HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "another method": (405, b"PUT /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "too large": (413, POST + b"Content-Length: 9000001\r\n\r\n"),
    "no JSON": (415, POST.replace(b"application/json", b"text/plain") + b"Content-Length: 1\r\n\r\n1"),
    "another host": (421, b"GET /v1/models HTTP/1.1\r\nHost: other.example\r\n\r\n"),
    "no request": (422, POST + b"Content-Length: 2\r\n\r\n{}"),
    "no chunk": (400, POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n"),
    "no body in time": (408, POST + b"Content-Length: 2\r\n\r\n{"),
}
HEADLESS = {
    "no HTTP": (400, b"\x16\x03\x01\r\n\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "no head in time": (408, b"GET / HTTP/1.1\r\n"),
    "no such version": (505, b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    "a large head": (431, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000),
}


@pytest.fixture
async def hasty(make_api: MakeApi, redis_url: str) -> Api:
    return await make_api(redis_url, header_timeout=0.3, body_timeout=0.3)


async def named(api: Api, request: bytes) -> tuple[int, dict[str, str]]:
    async with connected(api) as wire:
        wire.writer.write(request)
        status, headers, _ = await wire.answer()
        return status, {name: value for name, value in headers.items() if name.endswith("request-id")}


@pytest.mark.parametrize("what", ASKED)
async def test_every_answer_names_its_request(hasty: Api, what: str) -> None:
    wanted, request = ASKED[what]
    status, ids = await named(hasty, request)
    assert status == wanted
    assert MADE.fullmatch(ids.pop("x-request-id"))
    assert ids == {}
    line, rest = request.split(b"\r\n", 1)
    assert await named(hasty, line + b"\r\n" + MINE + rest) == (wanted, {"x-request-id": "mine 1/2"})


@pytest.mark.parametrize("what", HEADLESS)
async def test_what_never_becomes_a_request_has_a_new_id(hasty: Api, what: str) -> None:
    wanted, request = HEADLESS[what]
    async with connected(hasty) as wire:
        wire.writer.write(GET.replace(b"Host", MINE + b"Host"))
        assert (await wire.answer())[1]["x-request-id"] == "mine 1/2"
        wire.writer.write(request)
        status, headers, _ = await wire.answer()
        assert status == wanted
        assert MADE.fullmatch(headers["x-request-id"])


async def test_without_room_the_answer_has_an_id_too(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_connections=1)
    async with connected(api) as first:
        first.writer.write(GET)
        await first.answer()
        status, ids = await named(api, b"")
        assert status == 503
        assert MADE.fullmatch(ids["x-request-id"])


async def test_a_node_that_leaves_names_requests(api: Api) -> None:
    api.hub.leaving = True
    status, ids = await named(api, GET)
    assert (status, [*ids]) == (503, ["x-request-id"])


@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/messages/count_tokens?beta=true", b"/v1/messages/msg_x"])
@pytest.mark.parametrize("host", [b"localhost", b"other.example"])
async def test_on_the_paths_of_messages_it_has_their_name_too(api: Api, path: bytes, host: bytes) -> None:
    _, ids = await named(api, b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path, host, MINE))
    assert ids == {"x-request-id": "mine 1/2", "request-id": "mine 1/2"}


async def test_requests_on_one_connection_have_each_their_own(api: Api) -> None:
    async with connected(api) as wire:
        wire.writer.write(GET * 3)
        ids = [(await wire.answer())[1]["x-request-id"] for _ in range(3)]
        assert len(set(ids)) == 3


@pytest.mark.parametrize("transport", ["direct", "asgi"])
async def test_a_stream_names_its_request(make_api: MakeApi, redis_url: str, transport: str) -> None:
    api = await make_api(redis_url, transport=transport)
    accept = {"Accept": "text/event-stream", "X-Request-Id": "mine"}
    async with api.client.stream("POST", "/v1/generations", json=BODY, headers=accept) as asked:
        assert asked.headers["x-request-id"] == "mine"
        async with api.client.stream("GET", f"{asked.headers['location']}/events") as viewed:
            assert MADE.fullmatch(viewed.headers["x-request-id"])


async def test_a_defect_is_logged_with_the_id_of_its_answer(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise LookupError("a prompt")

    api.app.add_api_route("/broken", broken)
    answer = await api.client.get("/broken")
    assert answer.status_code == 500
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage().endswith(f" {answer.headers['x-request-id']}")
    assert "a prompt" not in caplog.text
