"""The audience of this node: who watches a generation, and how many streams an owner has open."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

from redis.exceptions import RedisError

from api.counting.counter import WRITE_S, Counter
from api.counting.put_offs import PutOffs
from api.counting.seats import Seats
from api.counting.viewer_count import Asker, GenerationViewers
from api.supervisor import supervised
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.generations.unwatched import Unwatched
from shared.storage.keys import GenerationKeys

OFFERS_PER_ROUND = 500
"""Viewers that are told of a new count before other tasks have their turn: a few milliseconds."""
LEAVE_TIMEOUT_S = 2.0
"""Seconds in which a node that ends says that it has no viewers any more."""


class Audience:
    """Counts who watches here. What it notes in Redis is of generations and owners of whom somebody wants to know.

    `frame` makes the event that tells a viewer how many there are.
    """

    def __init__(self, generations: Generations, settings: Settings, frame: Callable[[int], bytes]) -> None:
        node = secrets.token_hex(8)
        self.unwatched = Unwatched(generations)
        self.seats = Seats(generations.queue.redis, settings, node)
        self.leaving = False
        """Whether this node sends its viewers elsewhere, where they need time to come."""
        self._frame = frame
        self._put_offs = PutOffs(self.unwatched)
        self._life_s = self.unwatched.counts.life_s
        self._counter = Counter(self.unwatched.counts, node, self._noted, self._dropped)
        self._generations: dict[str, GenerationViewers] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Notes counts while inside; at the end, that this node has no viewers any more."""
        tasks = {
            "viewers' counts": self._counter.run,
            "owners' counts": self.seats.run,
            "unwatched": self._put_offs.run,
        }
        async with AsyncExitStack() as stack:
            for name, task in tasks.items():
                await stack.enter_async_context(supervised(name, task))
            yield
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._counter.flush()
                await self.seats.flush()
                await self._put_offs.flush()

    def join(self, generation_id: str, after_ms: int | None) -> GenerationViewers:
        """Counts one who watches a generation, which is cancelled after so long without any."""
        viewers = self._generations.get(generation_id)
        if viewers is None:
            viewers = GenerationViewers(generation_id, GenerationKeys(generation_id).viewers)
            self._generations[generation_id] = viewers
        viewers.here += 1
        if after_ms is not None:
            viewers.after_ms = after_ms
        self._changed(viewers)
        return viewers

    def leave(self, viewers: GenerationViewers, asker: Asker | None = None) -> None:
        """Counts one less."""
        viewers.here -= 1
        if asker is not None:
            viewers.askers.pop(asker, None)
        self._changed(viewers)
        if not viewers.here and viewers not in self._counter:
            self._dropped(viewers)

    @contextmanager
    def watching(self, generation_id: str, after_ms: int | None) -> Iterator[None]:
        """Counts one who waits for the end inside."""
        viewers = self.join(generation_id, after_ms)
        try:
            yield
        finally:
            self.leave(viewers)

    def ask(self, viewers: GenerationViewers, asker: Asker) -> None:
        """Tells a viewer that has joined how many there are: soon, and whenever that changes."""
        viewers.askers[asker] = None
        if asyncio.get_running_loop().time() - viewers.written_at < 2 * WRITE_S:
            self._offer(viewers, asker, self._frame(viewers.total))
        self._changed(viewers)

    def subscribed(self) -> None:
        """Does nothing: what was missed is said again, once a second."""

    def published(self, message: bytes) -> None:
        """Counts for other nodes the generations that a message names."""
        now = asyncio.get_running_loop().time()
        for name in message.decode(errors="replace").split(" "):
            if (viewers := self._generations.get(name)) is not None:
                viewers.wanted_until = now + self._life_s
                self._counter.changed(viewers)

    def _changed(self, viewers: GenerationViewers) -> None:
        if viewers in self._counter or viewers.told(asyncio.get_running_loop().time()):
            self._counter.changed(viewers)

    def _dropped(self, viewers: GenerationViewers) -> None:
        if not viewers.here:
            self._generations.pop(viewers.generation_id, None)

    async def _noted(self, viewers: GenerationViewers, before: int) -> None:
        if viewers.after_ms is not None and not (before and viewers.written):
            # Of this node's first: as if it died at once. Of its last: from now on.
            grace_ms = round(self._life_s * 1000) if viewers.written or self.leaving else 0
            self._put_offs.put(viewers.generation_id, viewers.after_ms + grace_ms)
        if not viewers.askers:
            return
        frame = self._frame(viewers.total)
        for number, (asker, told) in enumerate(list(viewers.askers.items()), 1):
            if told != viewers.total and asker in viewers.askers:
                self._offer(viewers, asker, frame)
            if number % OFFERS_PER_ROUND == 0:
                await asyncio.sleep(0)

    def _offer(self, viewers: GenerationViewers, asker: Asker, frame: bytes) -> None:
        # Where there is no room it has it after the next look: nothing waits for a slow viewer.
        if asker.offer(frame):
            viewers.askers[asker] = viewers.total
