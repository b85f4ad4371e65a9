"""Viewers' connections: taken over from uvicorn, or left there; clients see no difference."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.serving.server import takes_over
from api.viewing.connection import TRANSPORT_EXTENSION, AsgiConnection, DirectConnection
from api.viewing.sse_frames import MAX_SLICE_BYTES
from shared.errors import SettingsError
from tests.api.exchange.dialect_posts import SPOKEN, Spoken
from tests.api.harness import DEADLINE, Api, MakeApi, Producer, until


@pytest.fixture(params=["direct", "asgi"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The setting, in the environment of each API of the test."""
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", request.param)
    value: str = request.param
    return value


class Client:
    """A client that says exactly what it is told to, and reads byte by byte what comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(self, path: str, *lines: str, version: str = "1.1", method: str = "GET") -> None:
        """Send a request."""
        head = "\r\n".join((f"{method} {path} HTTP/{version}", "Host: localhost", *lines))
        self.writer.write(f"{head}\r\n\r\n".encode())

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response."""
        async with asyncio.timeout(DEADLINE):
            status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        return int(status.split()[1]), dict(line.split(": ", 1) for line in lines)

    async def chunks(self) -> list[bytes]:
        """The chunks of a body up to the last, to the byte as RFC 9112 has them."""
        found = []
        async with asyncio.timeout(DEADLINE):
            while size := int(line := await self.reader.readuntil(b"\r\n"), 16):
                assert line == b"%x\r\n" % size
                found.append(await self.reader.readexactly(size))
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
        return found

    async def until(self, text: bytes) -> bytes:
        """What comes, up to and with this."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(text)

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def events(producer: Producer) -> str:
    return f"/v1/generations/{producer.generation_id}/events"


def taken_over(api: Api) -> int:
    """How many of the server's connections are not uvicorn's."""
    return sum(not isinstance(one, HttpToolsProtocol) for one in api.server.server_state.connections)


async def test_the_connection_serves_other_requests_after_the_stream(api: Api, running: Producer) -> None:
    await running.complete()
    async with connected(api) as client:
        for _ in range(2):
            client.ask(events(running))
            status, headers = await client.head()
            assert (status, headers["transfer-encoding"]) == (200, "chunked")
            assert "connection" not in headers
            assert b"event: completed" in b"".join(await client.chunks())
            client.ask("/livez")
            status, headers = await client.head()
            assert status == 200
            await client.reader.readexactly(int(headers["content-length"]))
        assert not taken_over(api)
        client.ask(events(running), method="HEAD")
        assert (await client.head())[0] == 200
        client.ask("/livez", "Connection: close")
        assert (await client.head())[1]["connection"] == "close"
        await client.rest()


@pytest.mark.parametrize("together", [True, False])
async def test_requests_sent_during_the_stream_are_answered_after_it(
    api: Api, running: Producer, together: bool
) -> None:
    async with connected(api) as client:
        client.ask(events(running))
        if together:
            client.ask("/livez")
        status, _ = await client.head()
        await client.until(b"event: attempt\n")
        if not together:
            client.ask("/livez")
            client.ask(events(running), "Last-Event-ID: x")
        await running.complete()
        assert (await client.until(b"\r\n0\r\n\r\n")).count(b"event: completed") == 1
        status, headers = await client.head()
        assert status == 200
        await client.reader.readexactly(int(headers["content-length"]))
        if not together:
            assert (await client.head())[0] == 200
            assert b"event: reset" in b"".join(await client.chunks())


async def test_a_long_event_reaches_who_reads_slowly_in_slices(api: Api, running: Producer) -> None:
    """Live and from an ended log, with chunks and without, to the byte; and nobody holds more of it than a slice."""
    text = "".join(chr(97 + n % 26) * 1000 for n in range(5000))
    async with connected(api) as live, connected(api) as old:
        live.ask(events(running))
        old.ask(events(running), version="1.0")
        for client, end in ((live, b"\n\n\r\n"), (old, b"\n\n")):
            await client.head()
            await client.until(b"event: attempt\n")
            await client.until(end)
        await running.say("before", text)
        await until(lambda: max(viewer._connection.unsent() for viewer in api.hub.viewers) > 0, "a full socket")
        for viewer in api.hub.viewers:
            connection = viewer._connection
            assert connection.full
            if isinstance(connection, DirectConnection):
                assert connection._transport.get_write_buffer_size() <= MAX_SLICE_BYTES + 100
        await running.say("after")
        await running.complete()
        read = [b"".join(await live.chunks()), await old.rest()]
    async with connected(api) as late:
        late.ask(events(running))
        await late.head()
        chunks = await late.chunks()
        read.append(b"".join(chunks).partition(b"event: attempt\n")[2])
    assert max(map(len, chunks)) <= MAX_SLICE_BYTES
    for body in read:
        data = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]
        assert [event["delta"] for event in data if "delta" in event] == ["before", text, "after"]
        assert body.count(b"event: completed\n") == 1


async def test_http_1_0_and_connection_close(api: Api, running: Producer) -> None:
    async with connected(api) as old, connected(api) as closing:
        old.ask(events(running), version="1.0")
        closing.ask(events(running), "Connection: close")
        for client in (old, closing):
            status, headers = await client.head()
            assert (status, headers["connection"]) == (200, "close")
            # HTTP/1.0 has no chunks (RFC 9112, section 7.1).
            assert ("transfer-encoding" in headers) == (client is closing)
            await client.until(b"event: attempt\n")
        await running.complete()
        body = await old.rest()
        assert body.endswith(b"\n\n")
        assert b"\r\n" not in body
        assert b"event: completed\n" in body
        assert (await closing.rest()).endswith(b"\n\n\r\n0\r\n\r\n")


async def test_each_gets_live_events_in_its_own_framing(api: Api, running: Producer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        old, *others = [await stack.enter_async_context(connected(api)) for _ in range(5)]
        old.ask(events(running), "Last-Event-ID: 0-0", version="1.0")
        for other in others:
            other.ask(events(running), "Last-Event-ID: 0-0")
        for client in (old, *others):
            await client.head()
            await client.until(b"\n\n")
        follows = [b""] * 5
        # Who is told first, and whose bytes the others may share, is another one each time.
        for text in "abcdef":
            await running.say(text)
            for index, client in enumerate((old, *others)):
                follows[index] += await client.until(b'"delta":"%b"' % text.encode())
        await running.complete()
        plain = follows[0] + await old.rest()
        assert b"\r\n" not in plain
        for follow, other in zip(follows[1:], others, strict=True):
            rest = follow + await other.until(b"\r\n0\r\n\r\n")
            assert rest.count(b"id: ") == plain.count(b"id: ") == 6 + 3  # the attempt came first


async def test_post_answers_with_the_stream_and_keeps_the_connection(api: Api) -> None:
    body = json.dumps({"model": "simulator/lorem", "messages": [{"role": "user", "content": "Go."}]})
    async with connected(api) as client:
        kind = "Content-Type: application/json\r\n"
        length = f"Content-Length: {len(body)}\r\n\r\n{body}".rstrip()
        client.writer.write(
            f"POST /v1/generations HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{kind}{length}".encode()
        )
        status, headers = await client.head()
        assert status == 200
        await client.until(b"event: queued\n")
        producer = await Producer.start(api.log, headers["location"].rpartition("/")[2])
        await client.until(b"event: attempt\n")
        await producer.complete()
        await client.until(b"\r\n0\r\n\r\n")
        client.ask("/livez")
        assert (await client.head())[0] == 200


@pytest.mark.parametrize("half", [True, False])
async def test_who_leaves_is_forgotten(api: Api, running: Producer, transport: str, half: bool) -> None:
    async with connected(api) as client:
        client.ask(events(running))
        await client.until(b"event: attempt\n")
        assert len(api.hub.viewers) == 1
        assert taken_over(api) == (transport == "direct")
        if half:
            client.writer.write_eof()
        else:
            client.writer.transport.abort()
        await until(lambda: not (api.hub.viewers or api.hub.tails), "the viewer to be gone")
        await until(lambda: not taken_over(api), "the connection to be closed")


class Gone(asyncio.Transport):
    """As uvloop's, once it is closed."""

    def is_closing(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        raise RuntimeError("closed")


class Left:
    """A reader that counts how often the client has left."""

    times = 0

    def advance(self) -> None:
        raise AssertionError("there is no room")

    def leave(self) -> None:
        self.times += 1


async def test_a_client_that_left_before_its_stream_began_is_no_error() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    reader = Left()
    async with asyncio.timeout(DEADLINE):
        await AsgiConnection({"extensions": {TRANSPORT_EXTENSION: Gone()}}, receive, send).serve(reader)
    assert reader.times == 1


async def test_viewers_need_no_task_where_the_connection_is_taken_over(
    api: Api, running: Producer, transport: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(api)) for _ in range(20)]
        clients[0].ask(events(running))
        await clients[0].until(b"event: attempt\n")
        await until(lambda: transport == "asgi" or not api.server.server_state.tasks, "the request to be over")
        before = len(asyncio.all_tasks())
        for client in clients[1:]:
            client.ask(events(running))
            await client.until(b"event: attempt\n")
        if transport == "direct":
            await until(lambda: len(asyncio.all_tasks()) == before, "all requests to be over")
        else:
            assert len(asyncio.all_tasks()) >= before + 19
        assert len(api.hub.viewers) == 20
        assert api.hub.tails == 1


async def test_drain_closes_the_connection(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    running = await Producer.start(api.log, await api.post())
    async with connected(api) as client:
        client.ask(events(running))
        await client.until(b"event: attempt\n")
        api.server.should_exit = True
        assert (await client.rest()).endswith(b"event: drain\ndata: {}\n\n\r\n0\r\n\r\n")


async def test_many_viewers_are_told_in_turns(api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.viewing.broadcast.VIEWERS_PER_ROUND", 2)
    async with contextlib.AsyncExitStack() as stack:
        viewings = [await stack.enter_async_context(api.view(running.generation_id)) for _ in range(7)]
        seen = [[await viewing.next()] for viewing in viewings]
        for number in range(20):
            await running.say(f"{number} ")
        await running.complete()
        for viewing, messages in zip(viewings, seen, strict=True):
            messages += await viewing.rest()
            assert len(messages) == 24
            assert messages == seen[0]


class Other(RequestResponseCycle):
    """As a later uvicorn's might be: without a word for a client that has left."""

    __slots__ = ("gone",)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__("gone" if name == "disconnected" and value else name, value)


@pytest.mark.parametrize("transport", ["auto"], indirect=True)
async def test_another_uvicorn_is_not_trusted(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert await takes_over("auto")
    monkeypatch.setattr("uvicorn.protocols.http.httptools_impl.RequestResponseCycle", Other)
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_TRANSPORT: .* does not let connections be taken over"):
        await takes_over("direct")
    api = await make_api(redis_url)
    (warning,) = (record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR"))
    assert warning.endswith("does not let connections be taken over; viewers cost more")
    running = await Producer.start(api.log, await api.post())
    async with api.view(running.generation_id) as viewing:
        await viewing.next()
        assert not taken_over(api)
        await running.complete()
        assert len(await viewing.rest()) == 2


@pytest.mark.parametrize("lines", [("1.0",), ("1.0", "Connection: keep-alive"), ("1.1", "Connection: close"), ("1.1",)])
@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)
async def test_a_dialects_stream_that_breaks_off_never_ends_cleanly(
    make_api: MakeApi, redis_url: str, spoken: Spoken, lines: tuple[str, ...]
) -> None:
    """Where the connection's end is the response's, it is reset; else the last chunk is missing."""
    api = await make_api(redis_url)
    running = await Producer.start(api.log, await api.post())
    await running.say("Hel")
    async with connected(api) as client:
        client.ask(f"{spoken.named(running.generation_id)}?stream=true", *lines[1:], version=lines[0])
        _, head = await client.head()
        await client.until(b"Hel")
        await until(lambda: api.hub.viewers, "the viewer")
        api.hub.drain()
        if "transfer-encoding" in head:
            with contextlib.suppress(ConnectionResetError):  # over ASGI it is reset, too
                assert b"0\r\n\r\n" not in await client.rest()
        else:
            with pytest.raises(ConnectionResetError):
                await client.rest()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_native_stream_that_breaks_off_may_end_cleanly(make_api: MakeApi, redis_url: str, version: str) -> None:
    """It says `drain`, and its clients know an end by its event."""
    api = await make_api(redis_url)
    running = await Producer.start(api.log, await api.post())
    async with connected(api) as client:
        client.ask(events(running), version=version)
        await client.until(b"event: attempt\n")
        api.server.should_exit = True
        assert b"event: drain\ndata: {}\n\n" in await client.rest()
