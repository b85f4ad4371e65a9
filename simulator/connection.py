"""One client connection: writing to it, waiting on it, and noticing at once when the client leaves."""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final

from simulator.request import RequestRefusedError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT: Final = "transport"
"""Name in the ASGI scope's `state` under which the server hands over the connection's transport."""

MAX_BODY: Final = 32 * 1024 * 1024
MAX_UNSENT: Final = 64 * 1024
FLUSH_SECONDS: Final = 1.0


class Connection:
    """`left` turns true when the client closes; then waiting returns and writing does nothing."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.left = False
        self._transport: asyncio.Transport = scope["state"][TRANSPORT]
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def body(self) -> bytes:
        """The request's body; from then on watches the client. Raises `RequestRefusedError` (413) past 32 MB."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._leave()
                return b""
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > MAX_BODY:
                raise RequestRefusedError(413, f"the request is larger than {MAX_BODY} bytes")
            if not message.get("more_body", False):
                break
        self._watch = self._loop.create_task(self._watch_client())
        return b"".join(parts)

    async def _watch_client(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self.left = True
        self.wake()

    def wake(self) -> None:
        """Let whoever waits go on."""
        if self._waiter is not None:
            _release(self._waiter)

    def forget(self) -> None:
        """Stop watching: the request has been answered."""
        if self._watch is not None:
            self._watch.cancel()

    async def wait(self, seconds: float | None = None) -> None:
        """Return after `seconds` (None: never), on `wake`, or when the client leaves."""
        if self.left:
            return
        waiter = self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, _release, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    async def _emit(self, message: Message) -> None:
        if not self._transport.is_closing():
            await self._send(message)
        elif self._watch is not None:
            # The client has gone, and the watch is about to hear of it.
            await self.wait()

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        await self._emit({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """Write one chunk; waits while the client does not read."""
        await self._emit({"type": "http.response.body", "body": data, "more_body": True})

    @property
    def writable(self) -> bool:
        """Whether the client is there and has read enough for `put`."""
        return not self._transport.is_closing() and self._transport.get_write_buffer_size() < MAX_UNSENT

    def put(self, data: bytes) -> None:
        """`write` without a task: the caller has just seen `writable`."""
        # The chunk's frame is RFC 9112, section 7.1, as the server makes it between `start` and `finish`.
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def finish(self, data: bytes = b"") -> None:
        """Write the last chunk and end the body as HTTP wants it."""
        await self._emit({"type": "http.response.body", "body": data, "more_body": False})

    async def reset(self) -> None:
        """Cut the connection with a TCP RST, after what was written has arrived."""
        handle = self._transport.get_extra_info("socket").fileno()
        deadline = self._loop.time() + FLUSH_SECONDS
        while self._unsent(handle) and not self.left and self._loop.time() < deadline:
            await self.wait(0.001)
        if self.left:
            return
        with socket.socket(fileno=os.dup(handle)) as same:
            # RST instead of FIN: socket(7), SO_LINGER with a linger time of 0.
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()
        await self.wait()

    def _unsent(self, handle: int) -> int:
        """Bytes that a reset would throw away: in the transport, and in the kernel where it tells."""
        waiting = self._transport.get_write_buffer_size()
        with suppress(OSError):
            # Sent but not acknowledged: tcp(7), SIOCOUTQ.
            waiting += struct.unpack("i", fcntl.ioctl(handle, termios.TIOCOUTQ, bytes(4)))[0]
        return waiting

    def abort(self) -> None:
        self._transport.abort()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
