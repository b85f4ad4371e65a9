"""The appender: all writers' events to Redis, many generations in one round trip.

The first event leaves at once; while a round trip is under way, later ones gather, and adjacent deltas merge. So there
is no timer on the way of the first token, and under load the batches grow while their number does not. Where one round
trip follows another, events gather for `window` seconds, but for first words, ends and tool calls. The busier the
process, the longer they gather, at most GATHER (load.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable

from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError, ResponseError

from shared.log import Batch, Claim, Log, Outcome, Reply
from shared.outage import is_full, level
from shared.totals import Ended
from worker.journal import Silence
from worker.load import Load
from worker.writer import DISK, FULL, StopReason, Writer

logger = logging.getLogger("midstream.worker")

LINGER = 2.0
"""Seconds for which a sealed attempt is remembered: longer than Redis takes to sync its file (1 s)."""
RECHECK_LIMIT = 60.0
"""Seconds after which a sealed attempt is forgotten even if Redis cannot be asked whether it has it."""
GATHER = 0.01
"""Seconds between two round trips of a process that does nothing but work."""
SOON = 2
"""Windows since the last round trip within which the next one waits for more: what comes seldom waits for nothing."""
TICK = 0.001
"""Seconds that the loop's timers count in."""
RENEW = 3600.0
"""Seconds between renewals of a running generation's TTL."""


class Appender:
    """Owns the round trips; `run` is its one task.

    `settled` hears which generations are sealed and on disk, and what to count of those and of such as were deleted
    since; `beat` is called before each round trip (Pulse).
    """

    def __init__(
        self,
        log: Log,
        *,
        max_log: int,
        running_ttl: float,
        window: float = 0.0,
        settled: Callable[[list[str], list[Ended]], Awaitable[object]],
        journal: Silence,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.log = log
        self.journal = journal
        self.max_log = max_log
        self.running_ttl_ms = int(running_ttl * 1000)
        self._window = window
        self._settled = settled
        self._beat = beat
        self._dirty: dict[int, Writer] = {}
        self._renewed: dict[int, float] = {}
        self._lingering: deque[tuple[float, Writer]] = deque()
        self._rechecking: dict[int, tuple[float, Writer]] = {}
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        """First words wait."""
        self._prompt = asyncio.Event()
        """An end or a tool call waits; set with `_urgent` too."""
        self._sent_at = 0.0
        self._load = Load()
        self._drained = asyncio.Event()

    def open(
        self,
        generation_id: str,
        claim: Claim,
        *,
        restore: Callable[[], Awaitable[bool]],
        stop: Callable[[StopReason], None],
    ) -> Writer:
        """A writer for a claimed attempt; `restore` and `stop` as the Writer has them."""
        writer = Writer(generation_id, claim, max_log=self.max_log, dirty=self._mark, restore=restore, stop=stop)
        self.journal.claimed(generation_id, claim)
        self._renewed[id(writer)] = time.monotonic()
        return writer

    def close(self, writer: Writer) -> None:
        """Stop a writer. One that sealed its log is remembered for LINGER seconds, and then looks once more."""
        if writer.outcome is Outcome.OK:
            self._lingering.append((time.monotonic() + LINGER, writer))
            self._wake.set()
        else:
            writer.abandon()
            self._forget(writer)

    async def run(self) -> None:
        """Send what is put, until cancelled."""
        failures = 0
        while True:
            await self._something_to_do()
            await self._gather()
            self._beat()
            writers, self._dirty = list(self._dirty.values()), {}
            work = [(writer, batch) for writer in writers if (batch := writer.batch(self._renew_ms(writer)))]
            try:
                if work:
                    await self._round_trip(work, together=not failures)
                failures = 0
            except RedisError as error:
                for writer, _ in work:
                    self._mark(writer)
                failures += 1
                logger.log(level(error), "append failed (%s), sending again", type(error).__name__)
                await asyncio.sleep(min(0.02 * 2.0 ** min(failures, 6), 1.0) * random.uniform(0.5, 1.0))
            await self._forget_settled()

    async def drained(self) -> None:
        """Wait until every sealed attempt is known to be on disk."""
        while self._lingering or self._rechecking:
            self._drained.clear()
            await self._drained.wait()

    def _mark(self, writer: Writer) -> None:
        if id(writer) in self._dirty:
            # As nearly each time under load, thousands of times a second.
            if writer.prompt:
                self._prompt.set()
            return
        if id(writer) in self._renewed:  # else it was closed, and somebody still asks it to look at the log
            self._dirty[id(writer)] = writer
            self._wake.set()
            if writer.urgent:
                self._urgent.set()
                self._prompt.set()
            elif writer.prompt:
                self._prompt.set()

    def _forget(self, writer: Writer) -> None:
        self._dirty.pop(id(writer), None)
        self._renewed.pop(id(writer), None)

    async def _something_to_do(self) -> None:
        due = self._lingering[0][0] - time.monotonic() if self._lingering else None
        if self._rechecking:
            due = min(1.0, due) if due is not None else 1.0
        await self._set_within(self._wake, max(0.0, due) if due is not None else None)
        now = time.monotonic()
        while self._lingering and self._lingering[0][0] <= now:
            _, writer = self._lingering.popleft()
            self._rechecking[id(writer)] = (now, writer)
            writer.recheck()
        self._wake.clear()

    async def _gather(self) -> None:
        """Wait for more: where more is likely to come soon, and where the process is busy."""
        now = time.monotonic()
        busy_until = now + GATHER * self._load.share() ** 2
        if now - self._sent_at < SOON * self._window:
            await self._wait_unless(self._prompt, now + self._window)
        await self._wait_unless(self._urgent, busy_until)
        self._prompt.clear()
        self._urgent.clear()
        self._sent_at = time.monotonic()

    async def _wait_unless(self, event: asyncio.Event, until: float) -> None:
        seconds = until - time.monotonic()
        if seconds >= TICK and not event.is_set():
            await self._set_within(event, seconds)

    async def _set_within(self, event: asyncio.Event, seconds: float | None) -> None:
        """Wait for the event, which the time sets too: at less cost than a timeout that raises."""
        timer = asyncio.get_running_loop().call_later(seconds, event.set) if seconds is not None else None
        try:
            await event.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _renew_ms(self, writer: Writer) -> int:
        now = time.monotonic()
        if now - self._renewed[id(writer)] < RENEW:
            return 0
        self._renewed[id(writer)] = now
        return self.running_ttl_ms

    async def _round_trip(self, work: list[tuple[Writer, Batch]], *, together: bool) -> None:
        sent = time.time()
        # After a call that broke off each goes by itself, so that a log which cannot be written holds up no other.
        replies = await self.log.append_all([batch for _, batch in work], together=together)
        refused: ResponseError | None = None
        for (writer, batch), reply in zip(work, replies, strict=True):
            if isinstance(reply, ResponseError):
                refused = reply
                if is_full(reply):
                    writer.refuse(FULL if isinstance(reply, OutOfMemoryError) else DISK)
            else:
                await self._settle(writer, batch, reply, sent)
            if writer.behind:
                self._mark(writer)
        if isinstance(refused, NoScriptError):
            await self.log.load()  # a Redis that has just started does not know it
        elif refused is not None:
            raise refused

    async def _settle(self, writer: Writer, batch: Batch, reply: Reply, sent: float) -> None:
        self.journal.answered(batch, reply, sent)
        if reply.outcome is Outcome.GONE and await writer.restore():
            writer.begin_again()
        else:
            writer.settle(batch, reply)

    async def _forget_settled(self) -> None:
        done: list[str] = []
        ended: list[Ended] = []
        now = time.monotonic()
        for since, writer in list(self._rechecking.values()):
            if writer.behind == 0 and now - writer.appended_at < LINGER:
                # It had to be written again, and that is not on disk yet either.
                del self._rechecking[id(writer)]
                self._lingering.append((now + LINGER, writer))
                continue
            over = writer.behind == 0
            if over or now - since > RECHECK_LIMIT:
                del self._rechecking[id(writer)]
                self._forget(writer)
            # Where it is not known to be on disk, or another attempt's end is, it stays pending: the sweeper's.
            if over and writer.outcome is Outcome.OK:
                done.append(writer.generation_id)
            if over and writer.outcome in (Outcome.OK, Outcome.GONE) and writer.ended is not None:
                ended.append(writer.ended)
        if done or ended:
            await self._settled(done, ended)
        if not (self._lingering or self._rechecking):
            self._drained.set()
