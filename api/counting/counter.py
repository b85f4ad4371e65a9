"""A counter: notes this node's counts in Redis when they have changed, and reads those of the other nodes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from redis.exceptions import RedisError

from api.counting.viewer_count import GenerationViewers, ViewerCount
from api.supervisor import logger
from shared.backoff import Backoff
from shared.generations.viewer_counts import ViewerCounts
from shared.storage.outage import level

WRITE_S = 1.0
"""Least seconds from one note of a count to the next."""
TICK_S = 0.1
"""Seconds in which changes are gathered for one round trip."""
RENEWALS_PER_LIFE = 3
"""Notes of a count that does not change, in the time for which one counts."""
PAGE = 200
"""Counts that are noted in one round trip."""

Count = TypeVar("Count", bound=ViewerCount)


class Counter(Generic[Count]):
    """Notes the counts that it is given, each at most once in WRITE_S. `run` is its one task.

    `noted` is called for each that was, with what had been noted before; `dropped` once nothing of it is noted.
    """

    def __init__(
        self,
        counts: ViewerCounts,
        node: str,
        noted: Callable[[Count, int], Awaitable[None]],
        dropped: Callable[[Count], None],
    ) -> None:
        self.counts = counts
        self.node = node
        self._noted, self._dropped = noted, dropped
        self._counted: dict[str, Count] = {}
        self._changed: dict[str, Count] = {}
        self._all_at = 0.0
        """When all of them are looked at again, for renewals."""
        self._woken = asyncio.Event()

    def __contains__(self, count: Count) -> bool:
        return count.key in self._counted

    def changed(self, count: Count) -> None:
        """Takes a count that is to be noted, or may have changed."""
        self._counted[count.key] = self._changed[count.key] = count
        self._woken.set()

    async def run(self) -> None:
        """Notes what is due, until cancelled."""
        backoff = Backoff()
        while True:
            await self._woken.wait()
            await asyncio.sleep(TICK_S)
            try:
                await self._write(self._due())
                backoff.reset()
            except RedisError as error:
                logger.log(level(error), "viewers not counted (%s)", type(error).__name__)
                self._forget_old()
                await backoff.wait()
            if not self._counted:
                self._woken.clear()

    async def flush(self) -> None:
        """Notes all that has changed, at once. Raises redis.exceptions.RedisError."""
        now = asyncio.get_running_loop().time()
        await self._write([count for count in self._counted.values() if count.told(now) != count.written])

    def _due(self) -> list[Count]:
        now = asyncio.get_running_loop().time()
        looked_at: Iterable[Count] = self._changed.values()
        if now >= self._all_at:
            self._all_at = now + WRITE_S
            looked_at = self._counted.values()
        return [count for count in looked_at if self._is_due(count, now)]

    def _is_due(self, count: Count, now: float) -> bool:
        age = now - count.written_at
        if age < WRITE_S:
            return False
        told = count.told(now)
        return told != count.written or not told or count.is_read or age >= self.counts.life_s / RENEWALS_PER_LIFE

    async def _write(self, due: Sequence[Count]) -> None:
        for start in range(0, len(due), PAGE):
            page = due[start : start + PAGE]
            now = asyncio.get_running_loop().time()
            told = {count.key: count.told(now) for count in page}
            asked = [c.generation_id for c in page if isinstance(c, GenerationViewers) and c.askers]
            others = await self.counts.note(self.node, told, asked)
            for count, other in zip(page, others, strict=True):
                before, count.written = count.written, told[count.key]
                count.written_at, count.others = now, other.viewers
                if count.told(now) == count.written:
                    self._changed.pop(count.key, None)
                    if not count.written:
                        self._drop(count)
                await self._noted(count, before)

    def _forget_old(self) -> None:
        """Forgets the counts that are over and can no longer be noted: in Redis they are over by themselves."""
        now = asyncio.get_running_loop().time()
        for count in list(self._counted.values()):
            if not count.told(now) and now - count.written_at > self.counts.life_s:
                self._drop(count)

    def _drop(self, count: Count) -> None:
        self._counted.pop(count.key, None)
        self._changed.pop(count.key, None)
        self._dropped(count)
