"""A long log that has ended, in a dialect: projected from its start for one viewer, page by page, without a tail."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from api.supervisor import logger, where
from api.viewing import sse_frames
from api.viewing.dialect import Telling
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.log.entry import RawEntry, read_id
from shared.log.events import ORIGIN, TERMINAL_TYPES
from shared.log.guarded_log import LOG_PAGE, Log
from shared.record import Record

LONG_EVENTS = 20_000
"""Events from which on a log that has ended is not held in memory for its viewers."""


def is_long(record: Record) -> bool:
    """Says whether a log has ended and is too long, or has too large events, to be held in memory as a tail."""
    return record.seal is not None and (record.page < LOG_PAGE or record.seal.seq >= LONG_EVENTS)


class Standing(NamedTuple):
    """The epoch that stands, and how many events it has; None where more may come."""

    epoch: int
    events: int | None


class Projection:
    """Frames a log from its start, page by page, and holds the frames of the last page only."""

    def __init__(self, told: Telling) -> None:
        self._framer = told.dialect.framer(told.subject)
        self._fresh = list(self._framer.opening())
        self.events = len(self._fresh)
        """How many events the epoch has so far."""

    @property
    def epoch(self) -> int:
        """Returns the epoch to which they belong."""
        return self._framer.epoch

    def add(self, page: Iterable[RawEntry]) -> None:
        """Frames what follows."""
        for entry in page:
            epoch = self._framer.epoch
            made = self._framer.frames(entry)
            if self._framer.epoch != epoch:
                self._fresh.clear()
                self.events = 0
            self._fresh += made
            self.events += len(made)

    def take(self, had: int = 0) -> list[bytes]:
        """Returns the frames that are new since the last call, without the first `had` events of the epoch."""
        fresh, self._fresh = self._fresh, []
        return fresh[max(0, had - self.events + len(fresh)) :]


async def last_standing(log: Log, generation_id: str, told: Telling, count: int) -> Standing:
    """Returns what stands at the end of a log, read `count` entries at a time.

    Raises redis.exceptions.RedisError.
    """
    projection, ended, cursor = Projection(told), False, ORIGIN
    while not ended and (page := await log.read_raw(generation_id, cursor, count=count)):
        ended = _ends(page)
        projection.add(page)
        projection.take()
        cursor = read_id(page[-1][0])
    return Standing(projection.epoch, projection.events if ended else None)


async def project(log: Log, generation_id: str, told: Telling, viewer: Viewer, start: ResumePoint) -> None:
    """Sends a viewer what follows its place, and the end.

    `start.epoch` is the one that stands. The viewer is broken off where the log is not there to its end (any more), or
    has fewer events than it has had.
    """
    try:
        await _send(log, generation_id, told, viewer, start)
    except Exception as error:
        logger.error("projecting a log failed, its viewer is broken off: %s", where(error))
        viewer.break_off()


async def _send(log: Log, generation_id: str, told: Telling, viewer: Viewer, start: ResumePoint) -> None:
    projection, ended, cursor = Projection(told), False, ORIGIN
    had = start.number or 0
    while not ended and (page := await viewer.ask(partial(log.read_raw, generation_id, cursor, count=start.page))):
        ended = _ends(page)
        projection.add(page)
        fresh = projection.take(had)
        # Else it is void: it may be nearly all of a long log.
        stands = projection.epoch == start.epoch
        if stands and not await viewer.send(sse_frames.join(fresh, chunked=viewer.chunked)):
            return
        cursor = read_id(page[-1][0])
    if ended and projection.epoch == start.epoch and projection.events >= had:
        viewer.say(told.dialect.ending)
        viewer.finish()
    elif viewer.open:
        viewer.break_off()


def _ends(page: Sequence[RawEntry]) -> bool:
    return page[-1][1][0].decode() in TERMINAL_TYPES
