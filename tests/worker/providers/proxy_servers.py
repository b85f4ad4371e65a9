"""Proxies as small as they can be. Each finds every name at 127.0.0.1, so that a test sees who resolved it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Self
from urllib.parse import urlsplit


class ProxyServer(ABC):
    """A proxy on a free port; `asked` are the names and ports that it was sent to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @abstractmethod
    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int, bytes]:
        """Whom the client wants, and what of its bytes is already for them."""

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                host, port, first = await self.greet(reader, writer)
                self.asked.append((host, port))
                answers, onward = await asyncio.open_connection("127.0.0.1", port)
                try:
                    onward.write(first)
                    async with asyncio.TaskGroup() as both:
                        both.create_task(_copy(reader, onward))
                        both.create_task(_copy(answers, writer))
                finally:
                    onward.close()
        finally:
            self._tasks.discard(task)
            writer.close()


class SocksServer(ProxyServer):
    """SOCKS5 without authentication, CONNECT by name only (RFC 1928)."""

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int, bytes]:
        version, methods = await reader.readexactly(2)
        assert (version, 0 in await reader.readexactly(methods)) == (5, True)
        writer.write(b"\x05\x00")
        _, command, _, kind, length = await reader.readexactly(5)
        assert (command, kind) == (1, 3), "CONNECT to a name"
        name = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        return name.decode(), port, b""


class HttpProxy(ProxyServer):
    """Requests in absolute form, and CONNECT (RFC 9110, 7.1 and 9.3.6); `heads` are the requests as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[str] = []

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            host, _, port = target.decode().rpartition(":")
            return host, int(port), b""
        parts = urlsplit(target.decode())
        origin = parts._replace(scheme="", netloc="").geturl()
        return str(parts.hostname), parts.port or 80, head.replace(target, origin.encode(), 1)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
