"""A log follower: reads one log's events as they come, and notices a Redis that came back older."""

import asyncio

from redis.exceptions import RedisError

from api.supervisor import logger, where
from api.viewing.known_log import KnownLog
from api.viewing.restoration import Restoration
from api.viewing.send_times import SendTimes
from shared.backoff import Backoff
from shared.generations.generations import Generations
from shared.log.entry import RawEntry, read_id
from shared.log.events import ORIGIN
from shared.log.guarded_log import Log, Publication
from shared.storage.outage import level

MAX_EARLY_PUBLICATIONS = 256
"""Most publications that are kept while the log is read; with more, it is read once more instead."""
QUEUE_POLL_S = 1.0
"""Seconds between two looks at the place in line."""


class LogFollower:
    """Subscribes, reads the log, then follows publications; fills gaps from the log, which alone is the truth.

    `check` is the seconds without a publication after which it looks at the log all the same.
    """

    __slots__ = (
        "_check", "_due", "_early", "_generations", "_id", "_log", "_reading", "_rebuild", "_restoration",
        "_subscribed", "_times", "known",
    )  # fmt: skip

    def __init__(
        self, generation_id: str, log: Log, generations: Generations, *, check: float, times: SendTimes | None = None
    ) -> None:
        self.known = KnownLog()
        self._id, self._log, self._generations, self._check = generation_id, log, generations, check
        self._times = times
        self._subscribed = False
        self._reading = False
        self._rebuild = False
        self._early: list[Publication] = []
        self._restoration = Restoration(generation_id, log, generations)
        self._due = asyncio.Event()

    def subscribed(self) -> None:
        """Is called when the subscription stands; makes `run` read from the log what came before."""
        self._subscribed = True
        self._due.set()

    def published(self, message: bytes) -> None:
        """Takes the publication of a write."""
        if not self._reading and self.known.take_delta(message):
            if self._times is not None:
                self._times.published(self.known, message)
            return
        try:
            publication = Publication.parse(message)
        except ValueError:
            logger.error("unreadable publication for %s; reading the log instead", self._id)
            self._due.set()
            return
        if publication is None:
            self._end_gone()
        elif not self._reading:
            self._apply(publication)
        elif len(self._early) < MAX_EARLY_PUBLICATIONS:
            self._early.append(publication)
        else:
            self._due.set()

    async def run(self) -> None:
        """Reads the log whenever that is due, until cancelled or gone."""
        try:
            await self._keep_reading()
        except Exception as error:
            logger.error("following %s failed, its viewers are ended: %s", self._id, where(error))
            self._end_gone()

    async def _keep_reading(self) -> None:
        backoff = Backoff()
        while not self.known.gone:
            try:
                async with asyncio.timeout(self._longest_wait()):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            # Before the subscription stands, a gap could follow what is read, and nobody would announce it.
            if not self._subscribed or self._is_over:
                continue
            try:
                await self._read()
                backoff.reset()
            except RedisError as error:
                self._restoration.stop()
                pause = next(backoff)
                logger.log(level(error), "reading %s: %s; again in %.2f s", self._id, type(error).__name__, pause)
                await asyncio.sleep(pause)
                self._due.set()

    @property
    def _is_over(self) -> bool:
        """Says whether nothing is left to read. An end that was published before the first read is not read yet."""
        return self.known.loaded and self.known.state is not None

    def _longest_wait(self) -> float | None:
        if not self._subscribed or self._is_over:
            return None
        if (soon := self._restoration.look_again_after) is not None:
            return soon
        return min(QUEUE_POLL_S, self._check) if not self.known.count else self._check

    async def _read(self) -> None:
        self._reading = True
        try:
            count = await self._log.page(self._id)
            if self._rebuild or not await self._refill(count):
                await self._read_anew(count)
                self._rebuild = False
        finally:
            self._reading = False
            early, self._early = self._early, []
        for publication in early:
            self._apply(publication)
        self.known.loaded = True
        self.known.tell()
        if not self.known.count and not self.known.gone:
            await self._look_at_line()

    async def _refill(self, count: int) -> bool:
        """Reads on from the last event; returns False where the log does not say what we have."""
        while True:
            last = self.known.last
            # The last event is read again: if it is not there, Redis came back older and an attempt began.
            entries = await self._log.read_raw(self._id, last.before, count=count + 1)
            if last == ORIGIN:
                fresh = entries
            elif entries and read_id(entries[0][0]) == last:
                fresh = entries[1:]
                self._restoration.stop()
            elif entries:
                return False
            else:
                return await self._await_rest()
            self.known.extend((read_id(entry[0]), entry) for entry in fresh)
            if len(entries) <= count:
                return True

    async def _await_rest(self) -> bool:
        """Decides what to do of a log that ends before our last event; returns False where it went another way."""
        loss = await self._restoration.judge(self.known)
        if loss == "final":
            self._end_gone()
        return loss != "replaced"

    async def _read_anew(self, count: int) -> None:
        """Replaces all we have by what the log says."""
        entries: list[RawEntry] = []
        while True:
            page = await self._log.read_raw(self._id, read_id(entries[-1][0]) if entries else ORIGIN, count=count)
            entries += page
            if len(page) < count:
                break
        same = self.known.replace(entries)
        logger.warning("the log of %s is not as it was after event %d; read anew", self._id, same)

    async def _look_at_line(self) -> None:
        found = await self._generations.find(self._id)
        if found.record is None or found.record.seal is not None:
            # Sealed means that there were events: either written since we read, or lost.
            if found.record is not None and await self._log.last(self._id) is not None:
                self._due.set()
            else:
                self._end_gone()
            return
        self.known.wait(await self._generations.queue.position(self._id))

    def _apply(self, publication: Publication) -> None:
        previous, entries = publication
        if self.known.state is not None:
            return
        last = self.known.last
        if previous != last:
            fresh = [entry for entry in entries if self.known.position(entry.id) is None]
            if not fresh:
                return
            if len(fresh) < len(entries):
                previous = fresh[0].id.before
            entries = fresh
        if previous == last:
            self.known.extend((entry.id, entry.raw) for entry in entries)
            self.known.tell()
        else:
            # Ahead of us: a publication was lost. Behind: Redis came back older and another attempt writes.
            self._rebuild = self._rebuild or previous < last
            self._due.set()

    def _end_gone(self) -> None:
        self._due.set()
        self.known.end()
