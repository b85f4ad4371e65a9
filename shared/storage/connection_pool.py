"""The pool: a bounded number of connections to a Redis; those that nobody uses for a while are closed."""

import asyncio
from collections import deque
from typing import Any

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError

from shared.errors import MidstreamError
from shared.storage.outage import is_crowded

KEPT_CONNECTIONS = 1
"""Connections that stay open however long they are idle, so that what comes now and then need not connect."""


class HungUpError(MidstreamError, ConnectionError):
    """Redis closed a connection before it had said anything, as one may that takes no more connections."""

    retryable = True


class BoundedPool(BlockingConnectionPool):
    """A pool with a line: a caller that finds all connections in use waits for one, at most `timeout` seconds.

    The first to come is the first served. In redis-py's pool a newcomer may take the connection for which a waiting
    caller was woken, and that one goes to the end of the line. Where Redis takes no more connections and this pool has
    some, a caller waits for one of these.
    """

    idle_s = 10.0
    """Seconds without use after which a connection is closed: a burst's must not stay taken from other processes."""
    crowded_s = 1.0
    """Seconds for which no further connection is tried after Redis refused one as it has `maxclients` of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: deque[asyncio.Future[AbstractConnection]] = deque()
        self._room, self._crowded_until = 0, 0.0

    def can_get_connection(self) -> bool:
        """Says whether a connection is free, or a further one may be opened."""
        return bool(self._available_connections) or len(self._in_use_connections) < self._most()

    async def get_connection(self, command_name: None = None, *keys: Any, **options: Any) -> AbstractConnection:
        """Returns a connection, connected. Raises redis.exceptions.ConnectionError and TimeoutError."""
        refused: ConnectionError | None = None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.timeout or 0)
        while True:
            try:
                connection = await self._turn(deadline)
            except TimeoutError:
                raise refused or ConnectionError("No connection available.") from None
            try:
                await self.ensure_connection(connection)
            except ConnectionError as error:
                waits = _is_refused(error) and self._make_do() and loop.time() < deadline
                await self.release(connection)
                if not waits:
                    raise
                refused = error
            except BaseException:
                await self.release(connection)
                raise
            else:
                return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Passes a connection to a waiting caller, or keeps it; forgets a closed one, so that another may be opened."""
        self._in_use_connections.remove(connection)
        if connection.is_connected:
            self._available_connections.append(connection)
            connection.idle_since = asyncio.get_running_loop().time()  # type: ignore[attr-defined]
        self._serve()
        if self._timer is None and len(self._available_connections) > KEPT_CONNECTIONS:
            self._timer = asyncio.get_running_loop().call_later(self.idle_s, self._give_back)

    def _serve(self) -> None:
        """Passes the free connections to the waiting callers, in turn."""
        while self._waiters and self.can_get_connection():
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self.get_available_connection())  # type: ignore[no-untyped-call]

    async def _turn(self, deadline: float) -> AbstractConnection:
        """Waits in line for a connection that is not in use, and returns it. Raises TimeoutError."""
        waiter: asyncio.Future[AbstractConnection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._serve()
        if waiter.done():
            return waiter.result()
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled():  # it was given one, and goes
                await self.release(waiter.result())
            raise

    def _most(self) -> int:
        """Returns how many connections may be open now."""
        crowded = self._crowded_until and asyncio.get_running_loop().time() < self._crowded_until
        return max(1, self._room) if crowded else self.max_connections

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes all connections, or with `inuse_connections` false those that are free."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await super().disconnect(inuse_connections)

    def _make_do(self) -> bool:
        """Limits the pool to the connections that are open now, for `crowded_s`; returns False where there is none."""
        open_now = [c for c in (*self._available_connections, *self._in_use_connections) if c.is_connected]
        loop = asyncio.get_running_loop()
        self._room, self._crowded_until = len(open_now), loop.time() + self.crowded_s
        loop.call_at(self._crowded_until, self._serve)
        return bool(open_now)

    def _give_back(self) -> None:
        """Closes connections unused for `idle_s` seconds: they are in front, as the last released is taken first."""
        self._timer = None
        idle: list[Any] = self._available_connections
        loop = asyncio.get_running_loop()
        while len(idle) > KEPT_CONNECTIONS and idle[0].idle_since <= loop.time() - self.idle_s:
            idle.pop(0).close()
        if len(idle) > KEPT_CONNECTIONS:
            self._timer = loop.call_at(idle[0].idle_since + self.idle_s, self._give_back)


def _is_refused(error: ConnectionError) -> bool:
    # On a unix socket, redis-py wraps what happens there.
    return is_crowded(error) or isinstance(error, HungUpError) or isinstance(error.__cause__, HungUpError)
