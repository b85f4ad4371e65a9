"""A tail: one log in one dialect, framed once for all its viewers."""

from __future__ import annotations

from redis.exceptions import RedisError

from api.supervisor import logger, where
from api.viewing.broadcast import Broadcast
from api.viewing.dialect import Dialect, Subject
from api.viewing.frames import Frames
from api.viewing.known_log import KnownLog
from api.viewing.resume import ResumePoint
from shared.backoff import Backoff
from shared.log.entry import RawEntry, read_id
from shared.log.events import ORIGIN, EventId
from shared.log.guarded_log import Log


class Tail:
    """Listens to a log's KnownLog, holds the newest frames of its events, and broadcasts them.

    A position is a number of the dialect's events; `epoch` is the framer's, to which all frames belong. `window` is the
    least seconds from one round of the broadcast to the next.
    """

    __slots__ = ("_framer", "_opening", "broadcast", "dialect", "epoch", "failed", "fed", "frames", "known", "line",
        "resets", "subject")  # fmt: skip

    def __init__(self, subject: Subject, known: KnownLog, dialect: Dialect, *, window: float = 0.0) -> None:
        self.known = known
        self.dialect = dialect
        self.frames = Frames()
        self.broadcast = Broadcast(known, self.frames, window)
        self.line: bytes | None = None
        """Frame with the place in line, while the log is empty."""
        self.fed = False
        """Whether it has had all that the log's follower knows."""
        self.failed = False
        """Whether an event could not be framed: nothing after it is sent."""
        self.resets = 0
        """How often the log has turned out to be another than it was."""
        self.subject = subject
        self._begin()

    def _begin(self) -> None:
        self._framer = self.dialect.framer(self.subject)
        self.epoch = self._framer.epoch
        self.frames.clear()
        opening = self._framer.opening()
        self._opening = len(opening)
        for frame in opening:
            self.frames.add(frame)

    def listen(self) -> None:
        """Takes what the log's follower learns from now on: nothing that it knows is missing here."""
        self.fed = True
        self.known.listen(self)

    async def feed(self, base: Tail, log: Log) -> None:
        """Makes the frames of what the base has had, page by page of the log, and listens from then on."""
        resets, cursor, backoff = base.resets, ORIGIN, Backoff()
        while not self.known.gone and cursor != self.known.last:
            entries = await self._read(log, cursor)
            if resets != base.resets:
                resets, cursor = base.resets, ORIGIN
                self._begin()
                continue
            # What is not known yet comes again, to all who listen.
            fresh = [entry for entry in entries if read_id(entry[0]) <= self.known.last]
            for entry in fresh:
                self.add(entry)
            if fresh:
                cursor = read_id(fresh[-1][0])
                backoff.reset()
            else:
                await backoff.wait()  # Redis is away or came back older, which the log's follower finds out
        self.listen()
        self.changed()

    async def _read(self, log: Log, cursor: EventId) -> list[RawEntry]:
        try:
            return await log.read_raw(self.generation_id, cursor, count=await log.page(self.generation_id))
        except RedisError:
            return []

    @property
    def generation_id(self) -> str:
        """Returns the id of the generation whose log this is."""
        return self.subject.id

    @property
    def watched(self) -> bool:
        """Says whether it has viewers."""
        return bool(self.broadcast.followers)

    @property
    def loaded(self) -> bool:
        """Says whether it has had all of the log, up to its end at some time."""
        return self.fed and self.known.loaded

    def position(self, start: ResumePoint) -> int | None:
        """Returns how many events a viewer that begins there has had; None where this has no such place."""
        if start.number is None:
            return self.known.position(start.cursor)
        return start.number if start.number == 0 or start.epoch == self.epoch else None

    def add(self, entry: RawEntry) -> None:
        if self.failed:
            return  # what follows would have a hole before it
        try:
            made = self._framer.frames(entry)
        except Exception as error:
            # The log has other tails, whose viewers go on.
            logger.error("an event of %s has no frame in %s: %s", self.generation_id, self.dialect.name, where(error))
            self.failed = True
            return
        if self._framer.epoch != self.epoch:
            self.epoch = self._framer.epoch
            self.frames.clear()
            self.broadcast.reset(0)
        for frame in made:
            self.frames.add(frame)

    def changed(self) -> None:
        self.broadcast.wake()

    def reset(self, same: int) -> None:
        self.resets += 1
        self._begin()
        # Where an event of the log is not one of the dialect's, only what the record alone made is sure to be the same.
        self.broadcast.reset(self._opening or same)

    def queued(self, position: int | None) -> None:
        self.line = self.dialect.queued(self.subject.id, position) or None
