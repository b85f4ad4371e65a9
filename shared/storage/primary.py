"""The primary behind an address, for all connections of this process that lead to it.

An address may move while connections that were made before stay open: a virtual IP, a name, a balancer. They then lead
to what has become a replica. It refuses writes, and whoever only reads or listens there is shown the past, or nothing,
for as long as the connection stands. So what one connection is told, all others heed.
"""

import asyncio
import math
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

CODES_OF_NO_PRIMARY = frozenset({"READONLY", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED", "MOVED", "ASK"})
"""Refusals of a server that is no primary, or not for this key: another may be behind the address by now."""
CODES_TO_RETRY = CODES_OF_NO_PRIMARY | {"LOADING", "TRYAGAIN", "CLUSTERDOWN"}
"""With those of one that takes nothing for now. Each is a reason to connect anew and send again, as a broken socket is.

No page lists them. In the source of Redis 7.0 they are in server.c, blocked.c and cluster.c.
"""


class Closes(Protocol):
    """A connection: `made_at` is the loop's time when it was, `peer` where it leads, by host and port."""

    made_at: float

    @property
    def peer(self) -> tuple[str, int] | None: ...

    def cut(self) -> None:
        """Close it at once; who waits for a reply gets an error."""


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
        """It was made, and is closed with the others."""
        self._connections.add(connection)

    def is_elsewhere(self) -> None:
        """One was told so: close all that were made until now, `close_interval_s` after the last time at least."""
        loop = asyncio.get_running_loop()
        now = self._refused_at = loop.time()
        if now >= self._closed_at + self.close_interval_s:
            self._close()
        elif self._due_at <= now:
            self._due_at = self._closed_at + self.close_interval_s
            loop.call_at(self._due_at, self._close)

    def is_at(self, peer: tuple[str, int]) -> None:
        """It is known where the primary is: close all connections that lead elsewhere."""
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
    """The one behind this address."""
    return _primaries.setdefault(url, Primary())
