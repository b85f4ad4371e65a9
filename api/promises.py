"""Promises: what this node has answered, until Redis has it on disk."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Literal

from redis.exceptions import RedisError

from shared.generations import Acceptance, Generations
from shared.outage import level

logger = logging.getLogger("midstream.api")

SETTLED = 2.0
"""Seconds after which a promise is looked at again: longer than Redis takes to sync its file (1 s)."""
LIMIT = 60.0
"""Seconds after which one is forgotten even if Redis cannot be asked, or has not done it yet."""
MOST = 20_000
"""Promises that are remembered; past it the oldest are forgotten."""
PAGE = 100


@dataclass(frozen=True, slots=True)
class Ending:
    """A generation that was cancelled or deleted."""

    kind: Literal["cancel", "delete"]
    id: str
    owner: str


Promise = Acceptance | Ending


@dataclass(frozen=True, slots=True)
class _Given:
    promise: Promise
    at: float
    """When it was given, or kept again (the loop's time)."""
    since: float


class Promises:
    """A Redis that is killed comes back without its last second. What it lost is accepted, cancelled, deleted again."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._recent: deque[_Given] = deque(maxlen=MOST)
        self._looked = asyncio.Event()

    def remember(self, promise: Promise) -> None:
        """Look at it again in SETTLED seconds."""
        now = asyncio.get_running_loop().time()
        self._recent.append(_Given(promise, now, now))

    async def run(self) -> None:
        """Look at what is due, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._looked.set()
            await asyncio.sleep(SETTLED / 4)
            while due := self._due(loop.time()):
                try:
                    await self._look_at(due)
                except RedisError as error:
                    self._recent.extendleft(reversed(due))
                    logger.log(level(error), "promises not looked at (%s)", type(error).__name__)
                    break

    async def kept(self) -> None:
        """Wait until nothing is left to look at: a node that goes takes its memory along."""
        while self._recent:
            self._looked.clear()
            await self._looked.wait()

    def _due(self, now: float) -> list[_Given]:
        due: list[_Given] = []
        while self._recent and self._recent[0].at <= now - SETTLED and len(due) < PAGE:
            given = self._recent.popleft()
            if given.since > now - LIMIT:
                due.append(given)
        return due

    async def _look_at(self, due: list[_Given]) -> None:
        lost = await self._generations.accept_again([g.promise for g in due if isinstance(g.promise, Acceptance)])
        if lost:
            logger.warning("Redis came back without %d accepted generations; accepted them again", len(lost))
        for acceptance in lost:
            self.remember(acceptance)  # that is not on disk yet either
        endings = [(given.promise, given.since) for given in due if isinstance(given.promise, Ending)]
        ends = await self._generations.ends([ending.id for ending, _ in endings]) if endings else []
        now = asyncio.get_running_loop().time()
        for (ending, since), end in zip(endings, ends, strict=True):
            if end == "gone" or (end == "sealed" and ending.kind == "cancel"):
                continue
            if ending.kind == "cancel" and end in (None, "cancel"):
                await self._generations.cancel(ending.id)
            elif ending.kind == "delete" and end in (None, "cancel", "sealed"):
                await self._generations.delete(ending.owner, ending.id)
            self._recent.append(_Given(ending, now, since))
