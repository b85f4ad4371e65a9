"""A long log that has ended, in a dialect: projected from its start for one viewer, page by page, without a tail."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from redis.exceptions import RedisError

from api.supervisor import logger, where
from api.viewing import sse_frames
from api.viewing.dialect import Telling
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.backoff import Backoff
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


async def last_standing(log: Log, generation_id: str, told: Telling, count: int) -> Standing:
    """Returns what stands at the end of a log, read `count` entries at a time.

    Raises redis.exceptions.RedisError.
    """
    framer = told.dialect.framer(told.subject)
    events, ended = len(framer.opening()), False
    async for page in _pages(log, generation_id, count):
        ended = page[-1][1][0].decode() in TERMINAL_TYPES
        for entry in page:
            epoch = framer.epoch
            made = len(framer.frames(entry))
            events = made if framer.epoch != epoch else events + made
    return Standing(framer.epoch, events if ended else None)


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
    ended = False
    framer = told.dialect.framer(told.subject)
    fresh = list(framer.opening())
    had = start.number or 0
    async for page in _pages(log, generation_id, start.page, viewer):
        ended = page[-1][1][0].decode() in TERMINAL_TYPES
        for entry in page:
            epoch = framer.epoch
            made = framer.frames(entry)
            if framer.epoch != epoch:
                fresh.clear()
            fresh += made
        if framer.epoch != start.epoch:
            fresh.clear()  # void: it may be nearly all of a long log
            continue
        skipped = min(had, len(fresh))
        had -= skipped
        for piece in sse_frames.join(fresh[skipped:], chunked=viewer.chunked):
            if not await viewer.room():
                return
            viewer.write(piece)
        fresh.clear()
    if ended and not had:
        viewer.say(told.dialect.ending)
        viewer.finish()
    elif viewer.open:
        viewer.break_off()


async def _pages(
    log: Log, generation_id: str, count: int, viewer: Viewer | None = None
) -> AsyncIterator[list[RawEntry]]:
    cursor, backoff = ORIGIN, Backoff()
    while viewer is None or viewer.open:
        try:
            page = await log.read_raw(generation_id, cursor, count=count)
        except RedisError:
            if viewer is None:
                raise
            await viewer.pause(next(backoff))
            continue
        if page:
            yield page
        if len(page) < count:
            return
        cursor = read_id(page[-1][0])
