"""The faults that the proxy makes are the ones they are named for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.harness.proxy import Direction, Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def _echo() -> AsyncIterator[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    yield serve
    for task in filter(None, serving):
        await task


@pytest.fixture(params=["tcp", "unix"])
async def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proxy]:
    """A proxy in front of a server that says back what it hears."""
    if request.param == "unix":
        path = tmp_path / "echo"
        async with (
            _echo() as echo,
            await asyncio.start_unix_server(echo, path),
            Proxy("echo", path).listening() as proxy,
        ):
            yield proxy
    else:
        async with (
            _echo() as echo,
            await asyncio.start_server(echo, "127.0.0.1", 0) as server,
            Proxy("echo", server.sockets[0].getsockname()).listening() as proxy,
        ):
            yield proxy


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    async with asyncio.timeout(10):
        yield reader, writer
    writer.transport.abort()


async def _says(streams: Streams, data: bytes) -> bytes:
    streams[1].write(data)
    return await streams[0].readexactly(len(data))


async def test_bytes_pass_as_they_are_in_both_directions(proxy: Proxy) -> None:
    data = bytes(range(256)) * 20_000
    async with connected(proxy) as streams:
        assert await _says(streams, data) == data


async def test_delayed_bytes_come_late_and_in_order(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        assert await _says(streams, b"now") == b"now"
        began = time.monotonic()
        proxy.delay = 0.3
        streams[1].write(b"one ")
        while not any(connection.server.late for connection in proxy.connections):
            await asyncio.sleep(0)
        proxy.delay = 0.05
        streams[1].write(b"two")
        assert await streams[0].readexactly(7) == b"one two"
        assert time.monotonic() - began >= 0.35  # there and back


async def test_a_cut_is_an_end_of_file_and_a_reset_is_an_error(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        assert await _says(streams, b"x") == b"x"
        assert proxy.cut() == 1
        assert await streams[0].read() == b""
    async with connected(proxy) as streams:
        assert await _says(streams, b"x") == b"x"
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            await streams[0].read()


@pytest.mark.parametrize("direction", [Direction.UP, Direction.DOWN, Direction.BOTH])
async def test_a_black_hole_is_silent_until_it_is_lifted(proxy: Proxy, direction: Direction) -> None:
    async with connected(proxy) as old:
        assert await _says(old, b"x") == b"x"
        proxy.black_hole(direction)
        async with connected(proxy) as new:
            for streams in (old, new):
                streams[1].write(b"lost")
            reads = [asyncio.create_task(streams[0].read(1)) for streams in (old, new)]
            done, _ = await asyncio.wait(reads, timeout=0.2)
            assert not done
            proxy.restore()
            for result in await asyncio.gather(*reads, return_exceptions=True):
                assert isinstance(result, ConnectionResetError)
    async with connected(proxy) as streams:
        assert await _says(streams, b"again") == b"again"


async def test_one_connection_alone_can_be_struck(proxy: Proxy) -> None:
    async with connected(proxy) as one:
        assert await _says(one, b"x") == b"x"
        (first,) = proxy.connections
        async with connected(proxy) as two:
            assert await _says(two, b"x") == b"x"
            first.reset()
            with pytest.raises(ConnectionResetError):
                await one[0].read()
            assert await _says(two, b"y") == b"y"


async def test_a_server_that_is_not_there_is_a_reset(tmp_path: Path) -> None:
    async with Proxy("nobody", tmp_path / "nobody").listening() as proxy, connected(proxy) as streams:
        with pytest.raises(ConnectionResetError):
            await streams[0].read()
