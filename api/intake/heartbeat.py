"""The heartbeat of this API node: says that it lives, and so that the connections it has noted are there."""

import asyncio
import secrets
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from api.supervisor import logger
from shared.generations.api_nodes import ApiNodes
from shared.storage.outage import level

BEAT_S = 1.0
"""Seconds from one beat to the next."""
BEATS_PER_LIFE = 3
"""Beats in the time for which one counts: a node that misses so many has died."""


class Heartbeat:
    """This node's beats. `run` is its one task."""

    def __init__(self, nodes: ApiNodes, *, beat_s: float = BEAT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.node = secrets.token_hex(8)
        """This process among all API nodes, also among those of earlier starts."""
        self._nodes = nodes
        self._beat_s = beat_s
        self.life_s = BEATS_PER_LIFE * beat_s
        """Seconds for which a beat counts."""
        self._clock = clock
        self._number = 0
        self._last: float | None = None
        self._unbroken_since = 0.0

    async def beat(self) -> None:
        """Says that this node lives. Raises redis.exceptions.RedisError."""
        self._number += 1
        remembered = await self._nodes.beat(self.node, self._number, self.life_s)
        now = self._clock()
        if not remembered or self._late(now):
            self._unbroken_since = now
        self._last = now

    async def run(self) -> None:
        """Beats for ever."""
        while True:
            try:
                await self.beat()
            except RedisError as error:
                logger.log(level(error), "no beat of this node (%s)", type(error).__name__)
            await asyncio.sleep(self._beat_s)

    async def leave(self) -> None:
        """Says that this node has no connection any more. Raises redis.exceptions.RedisError."""
        await self._nodes.leave(self.node)

    @property
    def steady(self) -> bool:
        """Says whether Redis took and kept each beat for as long as one counts: it would have done so with all others'.

        A Redis that was away, or froze, or whose clock was set, has lost the beats of nodes that live.
        """
        if self._last is None or self._late(self._clock()):
            return False
        return self._last - self._unbroken_since >= self.life_s

    def _late(self, now: float) -> bool:
        return self._last is None or now - self._last > 1.5 * self._beat_s
