"""The appender: all writers' events to Redis, many generations in one round trip.

The first event leaves at once; while a round trip is under way, later ones gather, and adjacent deltas merge. So there
is no timer on the way of the first token, and under load the batches grow while their number does not. Where one round
trip follows another, events gather for `window` seconds, but for first words, ends and tool calls. The busier the
process, the longer they gather, at most `busy_gather_s` (cpu_load.py).

Nothing else is awaited here: what follows an end is the settler's, and what Redis forgot is restored beside it. What
goes wrong with one writer ends that writer.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError, ResponseError

from shared.backoff import Backoff
from shared.log.guarded_log import Batch, Claim, Log, Reply, WriteOutcome
from shared.storage.outage import is_away, is_full, level
from worker.writing.cpu_load import CpuLoad
from worker.writing.observer import Observer
from worker.writing.writer import FULL_DISK_S, FULL_MEMORY_S, StopReason, Writer

logger = logging.getLogger("midstream.worker")

SOON_WINDOWS = 2
"""Windows since the last round trip within which the next one waits for more: what comes seldom waits for nothing."""
TIMER_TICK_S = 0.001
"""Seconds that the loop's timers count in."""
MAX_RESTORES = 8
"""Records that are restored at a time."""
RENEW_TTL_S = 3600.0
"""Seconds between renewals of a running generation's TTL."""


class AfterSeal(Protocol):
    """What takes care of sealed logs: the settler (`worker/maintenance/settler.py`)."""

    def take(self, writer: Writer, forget: Callable[[], None]) -> None:
        """Takes a sealed log on, to look at it later; `forget` is called when its writer is no longer needed."""

    def answered(self) -> None:
        """Notes that the log of a generation that has ended has answered."""


class Appender:
    """Owns the round trips; `run` is its one task.

    `settler` receives the writers of sealed logs; `beat` is called before each round trip (PauseDetector).
    """

    busy_gather_s = 0.01
    """Seconds between two round trips of a process that does nothing but work."""
    restore_retry_s = 1.0
    """Seconds, half of them random, before a record is restored again for which the queue's Redis was away."""
    full_disk_s = FULL_DISK_S

    def __init__(
        self,
        log: Log,
        *,
        max_log: int,
        running_ttl: float,
        window: float = 0.0,
        settler: AfterSeal,
        observer: Observer,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.log = log
        self.observer = observer
        self.max_log = max_log
        self.backoff = Backoff(first=0.04, cap=1.0)
        self.running_ttl_ms = int(running_ttl * 1000)
        self._window = window
        self._settler = settler
        self._beat = beat
        self._dirty: dict[Writer, None] = {}
        """In the order in which they were marked."""
        self._renewed: dict[Writer, float] = {}
        self._restoring: dict[Writer, asyncio.Task[None]] = {}
        self._restores = asyncio.Semaphore(MAX_RESTORES)
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        """First words wait."""
        self._prompt = asyncio.Event()
        """An end or a tool call waits; set with `_urgent` too."""
        self._sent_at = 0.0
        self._load = CpuLoad()

    def open(
        self,
        generation_id: str,
        claim: Claim,
        *,
        restore: Callable[[], Awaitable[bool]],
        stop: Callable[[StopReason], None],
        spoke: Callable[[], None] = lambda: None,
    ) -> Writer:
        """Opens a writer for a claimed attempt; `restore`, `stop` and `spoke` are as the Writer has them."""
        writer = Writer(
            generation_id, claim, max_log=self.max_log, dirty=self._mark, restore=restore, stop=stop, spoke=spoke
        )
        self.observer.claimed(generation_id, claim)
        self._renewed[writer] = time.monotonic()
        return writer

    def close(self, writer: Writer) -> None:
        """Stops a writer. One that sealed its log is remembered until the settler has looked once more."""
        if writer.outcome is WriteOutcome.OK:
            self._settler.take(writer, partial(self._forget, writer))
        else:
            writer.abandon()
            self._forget(writer)

    async def run(self) -> None:
        """Sends what is put, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._gather()
                self._beat()
                await self._send()
        finally:
            for task in self._restoring.values():
                task.cancel()

    async def _send(self) -> None:
        """Makes one round trip; waits after one that fails.

        It is a function of its own so that nothing refers to a writer while there is nothing to do.
        """
        writers, self._dirty = list(self._dirty), {}
        work = list(self._batches(writers))
        try:
            if work:
                # After a call that broke off each goes by itself: a log that cannot be written holds up no other.
                await self._round_trip(work, together=not self.backoff.failures)
        except RedisError as error:
            for writer, _ in work:
                self._mark(writer)
            logger.log(level(error), "append failed (%s), sending again", type(error).__name__)
            await self.backoff.wait()
        else:
            self.backoff.reset()

    def _batches(self, writers: Iterable[Writer]) -> Iterator[tuple[Writer, Batch]]:
        for writer in writers:
            try:
                batch = writer.batch(self._renew_ms(writer))
            except Exception as error:
                self._fail(writer, error)
            else:
                if batch is not None:
                    yield writer, batch

    def _fail(self, writer: Writer, error: Exception) -> None:
        # Its text may hold a prompt or an answer.
        logger.error("%s: its log cannot be written (%s)", writer.generation_id, type(error).__name__)
        writer.fail()
        if writer.behind:
            self._mark(writer)

    def _mark(self, writer: Writer) -> None:
        if writer in self._dirty:
            # As nearly each time under load, thousands of times a second.
            if writer.prompt:
                self._prompt.set()
            return
        # Else it was closed, and somebody still asks it to look at the log; or it will be marked when it is restored.
        if writer in self._renewed and writer not in self._restoring:
            self._dirty[writer] = None
            self._wake.set()
            if writer.urgent:
                self._urgent.set()
                self._prompt.set()
            elif writer.prompt:
                self._prompt.set()

    def _forget(self, writer: Writer) -> None:
        self._dirty.pop(writer, None)
        self._renewed.pop(writer, None)
        if task := self._restoring.pop(writer, None):
            task.cancel()

    async def _gather(self) -> None:
        """Waits for more events where more are likely to come soon, and where the process is busy."""
        now = time.monotonic()
        busy_until = now + self.busy_gather_s * self._load.share() ** 2
        if now - self._sent_at < SOON_WINDOWS * self._window:
            await self._wait_unless(self._prompt, now + self._window)
        await self._wait_unless(self._urgent, busy_until)
        self._prompt.clear()
        self._urgent.clear()
        self._sent_at = time.monotonic()

    async def _wait_unless(self, event: asyncio.Event, until: float) -> None:
        seconds = until - time.monotonic()
        if seconds >= TIMER_TICK_S and not event.is_set():
            # The time sets the event too: at less cost than a timeout that raises.
            timer = asyncio.get_running_loop().call_later(seconds, event.set)
            try:
                await event.wait()
            finally:
                timer.cancel()

    def _renew_ms(self, writer: Writer) -> int:
        now = time.monotonic()
        if now - self._renewed[writer] < RENEW_TTL_S:
            return 0
        self._renewed[writer] = now
        return self.running_ttl_ms

    async def _round_trip(self, work: list[tuple[Writer, Batch]], *, together: bool) -> None:
        sent, began = time.time(), time.monotonic()
        replies = await self.log.append_all([batch for _, batch in work], together=together)
        self.observer.answered(time.monotonic() - began)
        refused: ResponseError | None = None
        for (writer, batch), reply in zip(work, replies, strict=True):
            if isinstance(reply, ResponseError):
                refused = reply
                if is_full(reply):
                    writer.refuse(FULL_MEMORY_S if isinstance(reply, OutOfMemoryError) else self.full_disk_s)
                elif not is_away(reply):
                    writer.errors += 1
            else:
                self._settle(writer, batch, reply, sent)
            if writer.behind:
                self._mark(writer)
        if isinstance(refused, NoScriptError):
            await self.log.load()  # a Redis that has just started does not know it
        elif refused is not None:
            raise refused

    def _settle(self, writer: Writer, batch: Batch, reply: Reply, sent: float) -> None:
        self.observer.appended(batch, reply, sent)
        if reply.outcome is WriteOutcome.GONE:
            self._dirty.pop(writer, None)  # what came meanwhile waits, too
            self._restoring[writer] = asyncio.create_task(self._restore(writer, batch, reply))
            return
        ended = writer.outcome is not None
        try:
            writer.settle(batch, reply)
        except Exception as error:
            self._fail(writer, error)
        if writer.outcome is not None:
            if writer.outcome is WriteOutcome.OK and not ended:
                self.observer.sealed(writer.generation_id)
            self._settler.answered()

    async def _restore(self, writer: Writer, batch: Batch, gone: Reply) -> None:
        """Restores a record beside the round trips, as the queue's Redis, which takes part in it, may be away."""
        try:
            async with self._restores:
                there = await writer.restore()
        except RedisError as error:
            logger.log(level(error), "%s: not restored (%s), tried again", writer.generation_id, type(error).__name__)
            await asyncio.sleep(self.restore_retry_s * random.uniform(0.5, 1.0))
            self._restoring.pop(writer, None)
            self._mark(writer)  # the next append finds it gone again
            return
        except Exception as error:
            self._restoring.pop(writer, None)
            self._fail(writer, error)
            return
        self._restoring.pop(writer, None)
        if there:
            writer.begin_again()
        else:
            writer.settle(batch, gone)
            self._settler.answered()
