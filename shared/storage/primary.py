"""The primary behind an address, for all connections of this process that lead to it.

An address may move while connections that were made before stay open: a virtual IP, a name, a balancer. They then lead
to what has become a replica. It refuses writes, and a connection that only reads or listens there gets the past, or
nothing, for as long as it stands. So a refusal on one connection counts for all others.
"""

import asyncio
import math
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

CODES_OF_NO_PRIMARY = frozenset({"READONLY", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED", "MOVED", "ASK"})
"""Refusals of a server that is no primary, or not that of this key: another may be behind the address by now."""
CODES_TO_RETRY = CODES_OF_NO_PRIMARY | {"LOADING", "TRYAGAIN", "CLUSTERDOWN"}
"""These, and refusals of a server that takes nothing for now: each is a reason to connect anew and send again, as a
broken socket is.

No page lists them. In the source of Redis 7.0 they are in server.c, blocked.c and cluster.c.
"""


class Closes(Protocol):
    """A connection that can be closed: `made_at` is the loop's time when it was made, `peer` its host and port."""

    made_at: float

    @property
    def peer(self) -> tuple[str, int] | None: ...

    def cut(self) -> None:
        """Closes it at once; a caller that waits for a reply gets an error."""


class Primary:
    """All connections to one address."""

    close_interval_s = 1.0
    """Seconds at least between two times that all connections are closed: a replica may stay one for hours."""

    def __init__(self) -> None:
        self._connections: WeakSet[Closes] = WeakSet()
        self._closed_at = -math.inf
        self._refused_at = -math.inf
        self._due_at = -math.inf

    def add(self, connection: Closes) -> None:
        """Adds a new connection, which is closed with the others."""
        self._connections.add(connection)

    def is_elsewhere(self) -> None:
        """Closes all connections made until now, as one was refused by a server that is no primary.

        It does so `close_interval_s` after the last time at least.
        """
        loop = asyncio.get_running_loop()
        now = self._refused_at = loop.time()
        if now >= self._closed_at + self.close_interval_s:
            self._close()
        elif self._due_at <= now:
            self._due_at = self._closed_at + self.close_interval_s
            loop.call_at(self._due_at, self._close)

    def is_at(self, peer: tuple[str, int]) -> None:
        """Closes all connections that lead elsewhere than to the primary, which is at `peer`."""
        for connection in list(self._connections):
            if connection.peer not in (None, peer):
                connection.cut()

    def _close(self) -> None:
        self._closed_at = asyncio.get_running_loop().time()
        for connection in list(self._connections):
            if connection.made_at <= self._refused_at:
                connection.cut()


_primaries: WeakValueDictionary[str, Primary] = WeakValueDictionary()


def primary_of(url: str) -> Primary:
    """Returns the primary behind this address, one for all its connections."""
    return _primaries.setdefault(url, Primary())
