"""Serves `/metrics`: on a thread of its own, so that neither a scrape nor a slow scraper holds up the loop.

The client library's server has a thread for each connection, without a bound, and waits for each as long as that likes.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from shared.errors import SettingsError
from shared.metrics.tallies import Tally

logger = logging.getLogger("midstream")

CONNECTION_S = 10.0
"""Seconds that one scrape may take in all, however slowly its client sends or reads."""
MAX_CONNECTIONS = 16
"""Connections that are served at a time; a further one is closed at once."""
MAX_HEAD_BYTES = 8192
REFRESH_S = 1.0
"""Seconds that are waited for what only the process' own loop can find out."""
CLOSE_S = 5.0
"""Seconds that `close` waits for the thread at most."""

Refresh = Callable[[], Awaitable[None]]


def listen(host: str, port: int) -> socket.socket:
    """Opens the listening socket. Raises SettingsError where the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SettingsError(f"MIDSTREAM_METRICS_HOST: cannot listen on {host}: {error.strerror}") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"MIDSTREAM_METRICS_PORT: cannot listen on {host} port {port}: {error.strerror}; choose another, one for "
            "each process"
        ) from None
    listener.setblocking(False)
    return listener


class MetricsServer:
    """Serves the metrics of this process on a listening socket, until `close`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._write: Callable[[str], tuple[str, bytes]] | None = None
        self._refresh: Callable[[], Awaitable[Any]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def start(self, tallies: Iterable[Tally], refresh: Refresh | None = None) -> None:
        """Begins to serve. Call it on the process' loop, on which `refresh` runs before each scrape."""
        # Here, so that who serves no metrics does not load Prometheus' client.
        from shared.metrics.exposition import exposition, registry

        main = asyncio.get_running_loop()
        self._write = partial(exposition, registry(tallies))
        if refresh is not None:
            asked = refresh

            async def waited() -> None:
                await asked()

            self._refresh = lambda: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(waited(), main))
        host, port = self._listener.getsockname()[:2]
        logger.info("metrics on %s port %d", host, port)
        # Made here, so that `close` can tell it to end before the thread has begun.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends, and closes the socket."""
        if self._loop is None or self._thread is None:
            self._listener.close()
            return
        with suppress(RuntimeError):  # its loop has ended by itself
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(timeout=CLOSE_S)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._serve())
        finally:
            self._listener.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listener, limit=MAX_HEAD_BYTES)
        try:
            await self._ended.wait()
        finally:
            asyncio.get_running_loop().remove_reader(self._listener)
            for task, writer in self._served.items():
                writer.transport.abort()
                task.cancel()
            # A connection is taken by a task, of asyncio's own, which leaves it open where the server is closed first.
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others, timeout=REFRESH_S)
            server.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No coroutine: one that is cancelled before its first step would leave its connection open.
        if self._ended.is_set() or len(self._served) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve_one(reader, writer))
        self._served[task] = writer
        task.add_done_callback(self._served.pop)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECTION_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.decode("latin-1")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who does not ask, or read, in time gets nothing
        finally:
            writer.transport.abort()

    async def _answer(self, head: str) -> bytes:
        method, path = [*head.partition("\r\n")[0].split(" "), "", ""][:2]
        if path.partition("?")[0] != "/metrics":
            return _response("404 Not Found", "text/plain", b"See /metrics.\n")
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", "text/plain", b"Use GET.\n", "Allow: GET, HEAD\r\n")
        if self._refresh is not None:
            with suppress(Exception):  # what cannot be found out now has no value
                await asyncio.wait_for(self._refresh(), REFRESH_S)
        assert self._write is not None, "the server was not started"
        media_type, text = self._write(_header(head, "accept"))
        return _response("200 OK", media_type, text if method == "GET" else b"")


def _header(head: str, name: str) -> str:
    lines = (line.partition(":") for line in head.split("\r\n")[1:])
    return next((value.strip() for key, _, value in lines if key.lower() == name), "")


def _response(status: str, media_type: str, body: bytes, further: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\n{further}Connection: close\r\n\r\n"
    )
    return head.encode() + body
