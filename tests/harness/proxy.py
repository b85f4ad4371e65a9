"""A proxy between two processes that can delay, cut, reset and swallow what passes, switched while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from enum import Flag, auto
from pathlib import Path
from typing import cast

Upstream = tuple[str, int] | Path
"""Host and port, or a unix socket."""


class Direction(Flag):
    """Which way bytes go: UP is from the client to the server."""

    UP = auto()
    DOWN = auto()
    BOTH = UP | DOWN


class _End(asyncio.Protocol):
    """One of a connection's two sockets; what it reads is the other's to write."""

    def __init__(self, connection: Connection, direction: Direction) -> None:
        self.transport: asyncio.Transport | None = None
        self.ready = asyncio.Event()
        self._connection, self._direction = connection, direction
        self.late: deque[tuple[float, bytes]] = deque()
        """What is due later, in order."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ready.set()
        self._connection.made(self)

    def data_received(self, data: bytes) -> None:
        self._connection.read(self._direction, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._connection.lost(self, exc)

    def pause_writing(self) -> None:
        self._connection.other(self).pause(True)

    def resume_writing(self) -> None:
        self._connection.other(self).pause(False)

    def pause(self, paused: bool) -> None:
        """Read nothing while the other side's buffer is full."""
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.pause_reading if paused else self.transport.resume_reading)()

    def write(self, data: bytes, delay: float) -> None:
        """Write, after so many seconds; never before what came earlier."""
        if self.transport is None or self.transport.is_closing():
            return
        if not delay and not self.late:
            self.transport.write(data)
            return
        self.late.append((asyncio.get_running_loop().time() + delay, data))
        if self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self.late[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self.late and self.late[0][0] <= now and self.transport is not None:
            self.transport.write(self.late.popleft()[1])
        if self.late:
            self._wait()

    def end(self, *, reset: bool) -> None:
        """Close the socket: in order (FIN, after what is written), or with a reset (RST)."""
        if self.transport is None:
            return
        if not reset:
            self.transport.close()
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # Closing a socket that does not linger sends RST (tcp(7), SO_LINGER in socket(7)).
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Connection:
    """One client and its own connection to the server."""

    def __init__(self, proxy: Proxy) -> None:
        self.client = _End(self, Direction.UP)
        self.server = _End(self, Direction.DOWN)
        self.swallowed = 0
        """Bytes that were lost: what follows them must not arrive either."""
        self.swallowing = proxy.swallowing
        self._proxy = proxy
        self._early: list[bytes] = []
        self._open: set[_End] = set()

    def other(self, end: _End) -> _End:
        return self.server if end is self.client else self.client

    def made(self, end: _End) -> None:
        self._open.add(end)
        if end is self.client:
            self._proxy.connections.add(self)
            self._proxy.spawn(self._connect())
        else:
            early, self._early = self._early, []
            for data in early:
                end.write(data, self._proxy.delay)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        upstream = self._proxy.upstream
        if Direction.UP in self.swallowing:
            return  # the network is gone: nobody hears that somebody calls
        try:
            if isinstance(upstream, Path):
                await loop.create_unix_connection(lambda: self.server, str(upstream))
            else:
                await loop.create_connection(lambda: self.server, *upstream)
        except OSError:
            self.client.end(reset=True)
            return
        if self.client.transport is None or self.client.transport.is_closing():
            self.server.end(reset=True)

    def read(self, direction: Direction, data: bytes) -> None:
        if direction in self.swallowing or self.swallowed:
            self.swallowed += len(data)
        elif direction is Direction.UP and self.server.transport is None:
            self._early.append(data)
        else:
            (self.server if direction is Direction.UP else self.client).write(data, self._proxy.delay)

    def lost(self, end: _End, error: Exception | None) -> None:
        self._open.discard(end)
        if not self._open:
            self._proxy.connections.discard(self)
        # In a black hole the other side does not hear of the end either.
        if end is self.server and Direction.DOWN in self.swallowing:
            return
        self.other(end).end(reset=error is not None)

    def cut(self) -> None:
        """End both sides in order (FIN)."""
        self.client.end(reset=False)
        self.server.end(reset=False)

    def reset(self) -> None:
        """End both sides with a reset (RST)."""
        self.client.end(reset=True)
        self.server.end(reset=True)

    def swallow(self, direction: Direction = Direction.BOTH) -> None:
        """From now on bytes of this direction vanish, and both sides believe that the connection stands."""
        self.swallowing |= direction


class Proxy:
    """Listens on a free port of 127.0.0.1; `upstream` may be changed, for connections that are made from then on."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        self.name = name
        self.upstream = upstream
        self.port = 0
        self.delay = 0.0
        """Seconds added in each direction."""
        self.swallowing = Direction(0)
        """What vanishes on connections that are made from now on."""
        self.connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> int:
        """Cut all connections; gives how many there were."""
        return self._each(Connection.cut)

    def reset(self) -> int:
        """Reset all connections; gives how many there were."""
        return self._each(Connection.reset)

    def black_hole(self, direction: Direction = Direction.BOTH) -> None:
        """Swallow on all connections and on those to come, which are accepted; `restore` ends it."""
        self.swallowing = direction
        self._each(lambda connection: connection.swallow(direction))

    def restore(self) -> None:
        """Let everything pass again. Connections that lost bytes are reset, as they cannot go on."""
        self.swallowing, self.delay = Direction(0), 0.0
        for connection in list(self.connections):
            if connection.swallowed or connection.server.transport is None:
                connection.reset()
            connection.swallowing = Direction(0)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run it until it ends, or until this no longer listens."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _each(self, act: Callable[[Connection], None]) -> int:
        connections = list(self.connections)
        for connection in connections:
            act(connection)
        return len(connections)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Proxy]:
        """Accept connections inside."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self).client, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            while self.connections:
                self.reset()
                await asyncio.sleep(0)
