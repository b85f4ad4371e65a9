"""The settler: looks once more at a sealed log, then settles the queue and counts what was used.

Nothing of it is awaited where deltas are appended: the queue may be on a Redis of its own, which is away.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.durability import Durability
from shared.log.guarded_log import WriteOutcome
from shared.queue.indexes import MAX_SETTLED_PER_STEP
from shared.storage.outage import is_away, level
from shared.usage import Ended
from worker.writing.observer import Observer
from worker.writing.writer import Writer

logger = logging.getLogger("midstream.worker")

MAX_WAITING = 10_000
"""Ended generations that wait for the queue; of more, the oldest are left to the sweeper."""


class _Settled(NamedTuple):
    """What the queue is sent of one generation."""

    let_go: str | None
    """Its id, where it leaves the pending index."""
    ended: Ended | None


@dataclass(slots=True)
class _Sealed:
    writer: Writer
    forget: Callable[[], None]
    due: float
    """When its log is looked at (time.monotonic)."""


class Settler:
    """Looks at sealed logs once they should be on disk, and settles their generations. `run` is its one task.

    `settle` tells the queue which generations are on disk with their end, and what to count of them and of those that
    were deleted since, and returns what was counted now; `on_disk` is called for each at once.
    """

    def __init__(
        self,
        settle: Callable[[list[str], list[Ended]], Awaitable[Sequence[Ended]]],
        durability: Durability,
        on_disk: Callable[[list[str]], None] = lambda _: None,
        observer: Observer | None = None,
    ) -> None:
        self._settle = settle
        self._durability = durability
        self._on_disk = on_disk
        self._observer = observer or Observer()
        self._lingering: deque[_Sealed] = deque()
        self._looking: dict[Writer, _Sealed] = {}
        self._waiting: deque[_Settled] = deque(maxlen=MAX_WAITING)
        self._settling = False
        self._look_now = asyncio.Event()
        self._settle_now = asyncio.Event()
        self._progress = asyncio.Event()

    def take(self, writer: Writer, forget: Callable[[], None]) -> None:
        """Takes a sealed log on, to look at it when it should be on disk.

        `forget` is called when its writer is no longer needed.
        """
        self._lingering.append(_Sealed(writer, forget, time.monotonic() + self._durability.synced_s))
        self._look_now.set()

    def answered(self) -> None:
        """Notes that the log of a generation that has ended has answered."""
        self._look_now.set()

    async def run(self) -> None:
        """Looks and settles until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look())
            tasks.create_task(self._settle_what_waits())

    async def drained(self) -> None:
        """Waits until every sealed attempt is known to be on disk, and the queue knows it."""
        while self._lingering or self._looking or self._waiting or self._settling:
            self._progress.clear()
            await self._progress.wait()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = [self._lingering[0].due - time.monotonic()] if self._lingering else []
            due += [1.0] if self._looking else []
            timer = loop.call_later(max(0.0, min(due)), self._look_now.set) if due else None
            try:
                await self._look_now.wait()
            finally:
                if timer is not None:
                    timer.cancel()
            self._look_now.clear()
            self._look_at_all(time.monotonic())
            self._progress.set()

    def _look_at_all(self, now: float) -> None:
        """Looks at all that is due. As a function, it leaves no reference to a writer while there is nothing to do."""
        while self._lingering and self._lingering[0].due <= now:
            sealed = self._lingering.popleft()
            self._looking[sealed.writer] = sealed
            sealed.writer.recheck()
        for sealed in list(self._looking.values()):
            self._look_at(sealed, now)

    def _look_at(self, sealed: _Sealed, now: float) -> None:
        writer = sealed.writer
        there = writer.behind == 0
        if not there and writer.errors <= self._durability.max_refusals:
            return  # an outage counts no error: what was sealed just before it is needed when it is over
        del self._looking[writer]
        if there and now - writer.appended_at < self._durability.synced_s:
            # It had to be written again, and that is not on disk yet either.
            sealed.due = now + self._durability.synced_s
            self._lingering.append(sealed)
            self._look_now.set()
            return
        sealed.forget()
        # Where it is not known to be on disk, or another attempt's end is, it stays pending: the sweeper's.
        ours = there and writer.outcome is WriteOutcome.OK
        counts = there and writer.outcome in (WriteOutcome.OK, WriteOutcome.GONE)
        settled = _Settled(writer.generation_id if ours else None, writer.ended if counts else None)
        if ours:
            self._on_disk([writer.generation_id])
        if settled != (None, None):
            self._waiting.append(settled)
            self._settle_now.set()

    async def _settle_what_waits(self) -> None:
        while True:
            await self._settle_now.wait()
            self._settle_now.clear()
            while self._waiting:
                self._settling = True
                page = [self._waiting.popleft() for _ in range(min(MAX_SETTLED_PER_STEP, len(self._waiting)))]
                await self._settle_page(page)
                self._settling = False
            self._progress.set()

    async def _settle_page(self, page: list[_Settled]) -> None:
        ids = [settled.let_go for settled in page if settled.let_go is not None]
        ended = [settled.ended for settled in page if settled.ended is not None]
        backoff = Backoff(first=0.1, cap=2.0)
        while True:
            try:
                counted = await self._settle(ids, ended)
                self._observer.settled(ids)
                self._observer.counted(counted)
                return
            except RedisError as error:
                logger.log(level(error), "%d generations not settled (%s)", len(page), type(error).__name__)
                if not is_away(error):
                    return  # the sweeper sees to each of them
            except Exception as error:
                logger.error("%d generations not settled: %s", len(page), type(error).__name__)
                return
            await backoff.wait()
