"""Acceptances: what this node has answered 202 for, until Redis has it on disk."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from redis.exceptions import RedisError

from shared.generations import Acceptance, Generations

logger = logging.getLogger("midstream.api")

SETTLED = 2.0
"""Seconds after which an acceptance is looked at again: longer than Redis takes to sync its file (1 s)."""
LIMIT = 60.0
"""Seconds after which one is forgotten even if Redis cannot be asked."""
MOST = 20_000
"""Acceptances that are remembered; past it the oldest are forgotten."""
PAGE = 100


class Acceptances:
    """A Redis that is killed comes back without its last second. What it lost is accepted again, under the same id."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._recent: deque[tuple[float, Acceptance]] = deque(maxlen=MOST)

    def remember(self, acceptance: Acceptance) -> None:
        """Look at it again in SETTLED seconds."""
        self._recent.append((asyncio.get_running_loop().time(), acceptance))

    async def run(self) -> None:
        """Look at what is due, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SETTLED / 4)
            while self._recent and self._recent[0][0] < loop.time() - LIMIT:
                self._recent.popleft()
            while due := self._due(loop.time() - SETTLED):
                try:
                    lost = await self._generations.accept_again([acceptance for _, acceptance in due])
                except RedisError as error:
                    self._recent.extendleft(reversed(due))
                    logger.warning("acceptances not looked at (%s)", type(error).__name__)
                    break
                if lost:
                    logger.warning("Redis came back without %d accepted generations; accepted them again", len(lost))
                for acceptance in lost:
                    self.remember(acceptance)  # that is not on disk yet either

    def _due(self, before: float) -> list[tuple[float, Acceptance]]:
        due: list[tuple[float, Acceptance]] = []
        while self._recent and self._recent[0][0] <= before and len(due) < PAGE:
            due.append(self._recent.popleft())
        return due
