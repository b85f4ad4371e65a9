"""The transport under the SDKs: framing, connections that are used again, addresses, TLS, and readers that are slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from tests.worker.providers.certificate import self_signed
from worker.providers.transport import BODY_EXTENSION, PIECE_BYTES, Transport

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


class Server:
    """Answers each request by the next of `answers`, and closes after one that says so with an empty rest."""

    def __init__(self) -> None:
        self.answers: list[tuple[bytes, bool]] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                self.heads.append(head := await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(7 if head.startswith(b"POST") else 0)
                answer, closes = self.answers.pop(0)
                writer.write(answer)
                if closes:
                    return
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, int]]:
    script = Server()
    listening = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    yield script, listening.sockets[0].getsockname()[1]
    listening.close()
    for writer in script.writers:
        writer.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=transport(), timeout=5) as client:
        yield client


def transport(context: ssl.SSLContext | None = None) -> Transport:
    return Transport(context or ssl.create_default_context(), httpx2.Limits(keepalive_expiry=30))


@pytest.mark.parametrize(
    ("answer", "closes", "body"),
    [
        (CHUNKED, False, b"hi"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", False, b"hi"),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", True, b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nhi", True, b"hi"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + CHUNKED, False, b"hi"),
        (CHUNKED[:-2] + b"trailer: 1\r\n\r\n", False, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
    ],
    ids=["chunked", "length", "to the end", "1.0", "after hints", "trailer", "none"],
)
async def test_a_body_ends_where_it_says(
    server: tuple[Server, int], client: httpx2.AsyncClient, answer: bytes, closes: bool, body: bytes
) -> None:
    script, port = server
    script.answers = [(answer, closes)] * 2
    for _ in range(2):
        response = await client.post(f"http://127.0.0.1:{port}/v1/x?y=1", json={"a": 1})
        assert response.content == body
        assert not {"link", "trailer"} & response.headers.keys()
    assert script.heads[0].startswith(b"POST /v1/x?y=1 HTTP/1.1\r\n")
    assert script.connections == (2 if closes else 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx2.RemoteProtocolError),
        (CHUNKED[:-3], httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", httpx2.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 20_000, httpx2.RemoteProtocolError),
    ],
    ids=["nothing", "half a chunk", "too short", "no HTTP", "endless head"],
)
async def test_what_is_no_whole_answer_is_an_error(
    server: tuple[Server, int], client: httpx2.AsyncClient, answer: bytes, error: type[Exception]
) -> None:
    script, port = server
    script.answers = [(answer, True)]
    with pytest.raises(error):
        await client.get(f"http://127.0.0.1:{port}/")


async def test_an_idle_connection_that_was_closed_is_not_used_again(
    server: tuple[Server, int], client: httpx2.AsyncClient
) -> None:
    script, port = server
    script.answers = [(CHUNKED, False), (CHUNKED, False)]
    assert (await client.get(f"http://127.0.0.1:{port}/")).content == b"hi"
    # At once: no loop has heard of it.
    script.writers[0].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    assert (await client.get(f"http://127.0.0.1:{port}/")).content == b"hi"
    assert script.connections == 2


async def test_silence_within_an_answer_is_a_timeout(server: tuple[Server, int]) -> None:
    script, port = server
    script.answers = [(CHUNKED[:-5], False)]
    async with httpx2.AsyncClient(transport=transport(), timeout=httpx2.Timeout(600, read=0.05)) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_silence_within_an_answer_that_somebody_else_watches_is_none(server: tuple[Server, int]) -> None:
    script, port = server
    script.answers = [(CHUNKED[:-5], False), (b"", False)]
    address = f"http://127.0.0.1:{port}/"
    timeout = httpx2.Timeout(600, read=0.5)
    async with (
        httpx2.AsyncClient(transport=transport(), timeout=timeout) as client,
        client.stream("GET", address) as response,
    ):
        body = response.extensions[BODY_EXTENSION]
        body.unwatch()
        assert await body.read() == b"hi"
        script.writers[0].write(CHUNKED[-12:-5])
        assert await body.read() == b"hi"
        # Another one is silent for as long, and watched.
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(address)
        script.writers[0].write(CHUNKED[-5:])
        assert await body.read() == b""


async def test_a_server_that_accepts_nobody_is_a_timeout() -> None:
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # who fill its queue: what comes after them is not answered at all
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        async with httpx2.AsyncClient(transport=transport(), timeout=httpx2.Timeout(600, connect=0.05)) as client:
            with pytest.raises(httpx2.ConnectTimeout):
                await client.get(f"http://127.0.0.1:{full.getsockname()[1]}/")


async def test_what_cannot_be_sent(server: tuple[Server, int], client: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.LocalProtocolError):
        await client.get(f"http://127.0.0.1:{server[1]}/", headers={"authorization": "Bearer a\r\nb: c"})
    with pytest.raises(httpx2.UnsupportedProtocol):
        await client.get("ftp://127.0.0.1:9/")


async def test_an_address_is_sent_as_it_is(server: tuple[Server, int], client: httpx2.AsyncClient) -> None:
    script, port = server
    script.answers = [(CHUNKED, False)]
    await client.get(f"http://127.0.0.1:{port}/a%3Db%2Fc?x=%3D&y=%20")
    assert script.heads[0].startswith(b"GET /a%3Db%2Fc?x=%3D&y=%20 HTTP/1.1")


async def test_a_reader_that_is_slow_slows_the_server(server: tuple[Server, int], client: httpx2.AsyncClient) -> None:
    script, port = server
    script.answers = [(b"HTTP/1.1 200 OK\r\n\r\n", False)]
    async with client.stream("GET", f"http://127.0.0.1:{port}/") as response:
        writer = script.writers[0]
        size = 16_777_216
        writer.write(bytes(size))
        writer.write_eof()
        pieces = response.aiter_raw()
        read = len(await anext(pieces))
        left = None
        async with asyncio.timeout(5):
            # It has stopped reading when the server's buffer shrinks no more.
            while left != (left := writer.transport.get_write_buffer_size()):
                await asyncio.sleep(0.05)
        assert left
        async for piece in pieces:
            read += len(piece)
    assert read == size


async def test_the_next_address_is_tried_where_one_refuses(
    server: tuple[Server, int], client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, port = server
    script.answers = [(CHUNKED, False)]
    loop = asyncio.get_running_loop()
    known = await loop.getaddrinfo("127.0.0.1", port, type=1)
    other = [(*known[0][:4], ("127.0.0.2", port))]

    async def resolve(host: str, *_: object, **__: object) -> object:
        return other + known if host == "provider.test" else known

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    assert (await client.get(f"http://provider.test:{port}/")).content == b"hi"
    assert b"host: provider.test" in script.heads[0].lower()


async def test_a_certificate_is_checked(tmp_path: Path) -> None:
    pem, private = self_signed("localhost")
    (tmp_path / "both.pem").write_bytes(pem + private)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(tmp_path / "both.pem")
    script = Server()
    script.answers = [(CHUNKED, False)] * 2
    listening = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=ours)
    port = listening.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cadata=pem.decode())
    async with httpx2.AsyncClient(transport=transport(trusting), timeout=5) as client:
        for _ in range(2):
            assert (await client.get(f"https://localhost:{port}/")).content == b"hi"
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://127.0.0.1:{port}/")  # not the name in the certificate
    async with httpx2.AsyncClient(transport=transport(), timeout=5) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://localhost:{port}/")
    assert len(script.heads) == 2
    assert script.connections == 1
    listening.close()


async def broken(head: bytes, *, reset: bool) -> list[bytes]:
    """The pieces of a body whose connection breaks after `hi`, read when it has; the last is empty without an error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await writer.drain()
        if reset:
            await read.wait()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        writer.close()

    read = asyncio.Event()
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    pieces: list[bytes] = []
    async with (
        asyncio.timeout(10),
        httpx2.AsyncClient(transport=transport(), timeout=5) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/") as response,
    ):
        body = response.extensions[BODY_EXTENSION]
        while not reset and body._response.content.exception() is None:
            await asyncio.sleep(0.01)
        try:
            while not pieces or pieces[-1]:
                pieces.append(await body.read())
                read.set()
        except httpx2.TransportError:
            pass
    listening.close()
    return pieces


async def test_what_arrived_before_the_connection_broke_is_given() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
    assert await broken(head, reset=False) == [b"hi"]


async def test_a_reset_is_not_the_end_of_a_body_that_ends_with_its_connection() -> None:
    assert await broken(b"HTTP/1.1 200 OK\r\n\r\nhi", reset=True) == [b"hi"]


async def test_the_connection_that_was_used_last_is_used_again(server: tuple[Server, int]) -> None:
    script, port = server
    limits = httpx2.Limits(keepalive_expiry=0.2, max_keepalive_connections=5)
    script.answers = [(CHUNKED, False)] * 100
    async with httpx2.AsyncClient(transport=Transport(ssl.create_default_context(), limits), timeout=5) as client:
        address = f"http://127.0.0.1:{port}/"
        await asyncio.gather(*(client.get(address) for _ in range(8)))
        assert script.connections == 8

        def left() -> int:
            return sum(not writer.is_closing() and not writer.transport.is_closing() for writer in script.writers)

        # Three more than may be idle are closed at once; four of the rest for want of use, although there is some.
        async with asyncio.timeout(5):
            while left() > 1:
                await client.get(address)
                await asyncio.sleep(0.02)
        assert script.connections == 8


async def test_more_idle_connections_than_may_be_are_closed_at_once(server: tuple[Server, int]) -> None:
    script, port = server
    limits = httpx2.Limits(keepalive_expiry=60, max_keepalive_connections=5)
    script.answers = [(CHUNKED, False)] * 100
    async with httpx2.AsyncClient(transport=Transport(ssl.create_default_context(), limits), timeout=5) as client:
        await asyncio.gather(*(client.get(f"http://127.0.0.1:{port}/") for _ in range(8)))
        async with asyncio.timeout(5):
            while sum(not writer.transport.is_closing() for writer in script.writers) > 5:
                await asyncio.sleep(0.01)
        assert script.connections == 8


async def test_a_long_body_goes_out_in_pieces_and_whole(client: httpx2.AsyncClient) -> None:
    content = bytes(range(256)) * (5 * PIECE_BYTES // 512)
    heads: list[bytes] = []
    bodies: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        bodies.append(await reader.readexactly(len(content)))
        writer.write(CHUNKED)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        response = await client.post(f"http://127.0.0.1:{port}/", content=content)
    assert response.content == b"hi"
    assert bodies == [content]
    head = heads[0].lower()
    assert b"content-length: %d\r\n" % len(content) in head
    assert b"transfer-encoding" not in head
