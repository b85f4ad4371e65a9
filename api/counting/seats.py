"""Seats: the open streams of each owner that has a limit (`max_viewers`), at all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.counting.counter import Counter
from api.counting.viewer_count import ViewerCount
from api.problems.limits import too_many_viewers
from shared.config.settings import Settings
from shared.generations.viewer_counts import ViewerCounts
from shared.storage.keys import owner_viewers_key

LIFE_S = 6.0
"""Seconds for which a node's count of an owner's streams counts. The viewers of a node that has died come back within
some, and must not find their own places taken."""
LOOK_TIMEOUT_S = 1.0
"""Seconds in which Redis must say what the other nodes have; after them what it said last counts."""


class Seat:
    """A place for one stream of an owner, from before it is opened until it is over."""

    __slots__ = ("_count", "_seats")

    def __init__(self, seats: Seats, count: ViewerCount) -> None:
        self._seats = seats
        self._count: ViewerCount | None = count

    def leave(self) -> None:
        """Gives the place back; what comes after the first call counts no more."""
        if (count := self._count) is not None:
            self._count = None
            self._seats.left(count)


class Seats:
    """Gives each stream of an owner with a limit a place. What this node has is exact; the others say it late."""

    def __init__(self, redis: Redis, settings: Settings, node: str) -> None:
        self._settings = settings
        self._counter = Counter(ViewerCounts(redis, LIFE_S), node, self._noted, self._dropped)
        self._owners: dict[str, ViewerCount] = {}
        self.run = self._counter.run
        self.flush = self._counter.flush

    async def take(self, owner: str) -> Seat | None:
        """Returns a place for a stream; None for an owner without a limit. Raises ProblemError 429 where it has none.

        Nothing is awaited between the look and the count: of those who come at once, none is counted too late.
        """
        most = self._settings.limits(owner).max_viewers
        if most is None:
            return None
        key = owner_viewers_key(owner)
        others = await self._others(key)
        count = self._owners.get(key) or ViewerCount(key)
        if count.here + others >= most:
            raise too_many_viewers(most)
        self._owners[key] = count
        count.here += 1
        self._counter.changed(count)
        return Seat(self, count)

    @asynccontextmanager
    async def kept(self, owner: str | None) -> AsyncIterator[Seat | None]:
        """Takes a place, none where no owner is given, and gives it back where what is done inside fails."""
        seat = None if owner is None else await self.take(owner)
        try:
            yield seat
        except BaseException:
            if seat is not None:
                seat.leave()
            raise

    def left(self, count: ViewerCount) -> None:
        """Counts one less."""
        count.here -= 1
        self._counter.changed(count)

    async def _others(self, key: str) -> int:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                [others] = await self._counter.counts.look([key], self._counter.node)
        except (RedisError, TimeoutError):
            known = self._owners.get(key)
            fresh = known is not None and asyncio.get_running_loop().time() - known.written_at < LIFE_S
            return known.others if known is not None and fresh else 0
        return others.viewers

    async def _noted(self, count: ViewerCount, before: int) -> None:
        """Does nothing more."""

    def _dropped(self, count: ViewerCount) -> None:
        if not count.here:
            self._owners.pop(count.key, None)
