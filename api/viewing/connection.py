"""A viewer's connection: uvicorn's transport itself, or ASGI's `send`, behind one interface.

Both hold one write at most. What comes after it stays where all viewers share it, and so does the rest of a long frame.
"""

from __future__ import annotations

import asyncio
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Protocol

from starlette.types import Receive, Scope, Send

from api.viewing import sse_frames

TRANSPORT_EXTENSION = "midstream.transport"
"""ASGI scope extension: the connection's transport, to see whether its buffer drains, and to abort it."""

GIVER_EXTENSION = "midstream.giver"
"""ASGI scope extension: what gives the connection away (`api/serving/uvicorn_protocol.py`)."""

LAST_CHUNK = b"0\r\n\r\n"
"""The last chunk (RFC 9112, section 7.1)."""


def least_limit(transport: asyncio.Transport) -> int:
    """Returns the unsent bytes at which a transport is full: any. That of TLS is full at 0 where that is its limit."""
    return 0 if transport.get_extra_info("sslcontext") is None else 1


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection by a reset (RFC 9293, 3.10.7): where its end ends the response, that would look whole."""
    if (socket := transport.get_extra_info("socket")) is not None:
        socket.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
    transport.abort()


class ConnectionUser(Protocol):
    """The writer of a connection, as the connection calls it."""

    def advance(self) -> None:
        """Is called when the last write is on its way: there is room for another."""

    def leave(self) -> None:
        """Is called when the client is gone."""


class Connection(Protocol):
    """A connection to write to. While it is `full` nothing may be written; it calls its user when that is over."""

    full: bool
    chunked: bool
    """Whether what is written must be chunks already."""

    def write(self, body: bytes, /) -> None:
        """Sends one piece."""

    def write_slices(self, frame: memoryview, /) -> None:
        """Sends a long frame slice by slice, each as a chunk where it takes those; it is `full` up to the last."""

    def unsent(self) -> int:
        """Returns the bytes that the kernel has not taken, and those of slices that are still to come."""

    def end(self) -> None:
        """Ends the response, which is whole."""

    def abort(self) -> None:
        """Ends at once; what is unsent is dropped."""

    def break_off(self) -> None:
        """Ends so that the client can tell it from the end of the response."""

    def reset(self) -> None:
        """Ends by a reset, as networks end connections."""


class Home(Protocol):
    """The giver of a connection, which gets it back."""

    def lost(self, connection: DirectConnection) -> None:
        """Is called when it is closed."""

    def give_back(self, connection: DirectConnection, transport: asyncio.Transport, early: bytes) -> None:
        """Takes the connection back after the response; `early` is what the client has sent meanwhile."""


class DirectConnection(asyncio.Protocol):
    """Takes a connection over from the HTTP server once the head of the response is written, until its end.

    No task, no queue, no request: what a silent viewer costs is this and the transport.
    """

    __slots__ = ("_early", "_ending", "_home", "_reader", "_rest", "_transport", "chunked", "full", "keep", "write")

    def __init__(self, transport: asyncio.Transport, home: Home, *, chunked: bool, keep: bool) -> None:
        self.full = False
        self.chunked = chunked
        self.keep = keep
        self.write = transport.write
        self._transport, self._home = transport, home
        self._reader: ConnectionUser | None = None
        self._early = b""
        self._ending = False
        self._rest: memoryview | None = None
        """What is still to be written of a long frame."""

    def serve(self, reader: ConnectionUser) -> None:
        """Begins to serve `reader`, which the transport calls from now on."""
        self._reader = reader
        # Nothing is held beyond what the kernel refuses of one write, and it is told of at once.
        self._transport.set_write_buffer_limits(high=least_limit(self._transport))

    def write_slices(self, frame: memoryview, /) -> None:
        self._rest = frame
        self._write_rest()

    def _write_rest(self) -> None:
        while self._rest and not self.full:
            piece = bytes(self._rest[: sse_frames.MAX_SLICE_BYTES])
            self._rest = self._rest[sse_frames.MAX_SLICE_BYTES :]
            self.write(sse_frames.chunk(piece) if self.chunked else piece)
        if not self._rest:
            self._rest = None  # with it goes the frame, which its tail may have forgotten

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size() + (len(self._rest) if self._rest else 0)

    def end(self) -> None:
        self._reader = None
        self._ending = True
        if self.chunked:
            self.write(LAST_CHUNK)
        if not self.full:
            self._finish()

    def abort(self) -> None:
        self._transport.abort()

    def break_off(self) -> None:
        if self.chunked:
            self._transport.close()  # what is written is sent, and the last chunk is missing
        else:
            reset(self._transport)

    def reset(self) -> None:
        reset(self._transport)

    def shutdown(self) -> None:
        """Ends with the server: the connection is not kept."""
        self.keep = False

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self._rest is not None:
            self._write_rest()
            if self.full:
                return
        if self._reader is not None:
            self._reader.advance()
        elif self._ending:
            self._finish()

    def data_received(self, data: bytes) -> None:
        # Another request, before the answer to this one has ended: it is kept, and no more is read.
        if self.keep:
            self._early += data
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._home.lost(self)
        self._rest = None
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.leave()

    def _finish(self) -> None:
        self._ending = False
        if not self.keep:
            self._transport.close()
        elif not self._transport.is_closing():
            early, self._early = self._early, b""
            self._transport.set_write_buffer_limits()
            self._home.give_back(self, self._transport, early)
            if early:
                self._transport.resume_reading()


class AsgiConnection:
    """A connection of any ASGI server, with a task of the server that waits for its end."""

    chunked = False

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.full = False
        self._receive, self._send = receive, send
        self._transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
        self._body: sse_frames.Piece = b""
        self._left = 0
        """Bytes of it that are not with the server yet."""
        self._open = True
        self._ended = False
        self._woken: asyncio.Future[None] | None = None

    async def serve(self, reader: ConnectionUser) -> None:
        """Passes on what is written, until the end or until the client is gone."""
        self._limit(high=0 if self._transport is None else least_limit(self._transport))
        watch = asyncio.create_task(self._watch(reader))
        try:
            while self._open:
                if self.full:
                    await self._pass_on()
                    self.full = False
                    reader.advance()
                elif self._ended:
                    break
                else:
                    self._woken = asyncio.get_running_loop().create_future()
                    await self._woken
            if self._open:
                await self._send({"type": "http.response.body", "body": b""})
        finally:
            watch.cancel()
            self._limit()

    async def _pass_on(self) -> None:
        body, self._body = self._body, b""
        for piece in sse_frames.slices(body):
            if self._open:
                self._left -= len(piece)
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    def _limit(self, high: int | None = None) -> None:
        # uvloop raises RuntimeError for one that is closed already.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.set_write_buffer_limits(high=high)

    def write(self, body: sse_frames.Piece, /) -> None:
        self._body, self._left = body, len(body)
        self.full = True
        self._wake()

    write_slices = write

    def unsent(self) -> int:
        return self._left + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    def end(self) -> None:
        self._ended = True
        self._wake()

    def abort(self) -> None:
        self._open = False
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def break_off(self) -> None:
        if self._transport is not None:
            reset(self._transport)
        self.abort()

    reset = break_off

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _watch(self, reader: ConnectionUser) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._open = False
        reader.leave()
        self._wake()
