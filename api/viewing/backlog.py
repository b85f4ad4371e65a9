"""The backlog of a viewer: what lies between its place and its tail's window, sent from the log."""

from functools import partial

from api.supervisor import logger, where
from api.viewing import sse_frames
from api.viewing.dialect import Telling
from api.viewing.projection import Projection
from api.viewing.resume import ResumePoint
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.backoff import Backoff
from shared.log.entry import read_id
from shared.log.events import ORIGIN
from shared.log.guarded_log import Log

ANOTHER_EPOCH = 0
"""An epoch that no tail has: who comes with it starts over."""


async def send_backlog(log: Log, viewer: Viewer, tail: Tail, position: int) -> None:
    """Sends a viewer what follows its position until its tail has the rest, which it follows from then on.

    A viewer that cannot be served is cut.
    """
    try:
        count = await viewer.ask(partial(log.page, tail.generation_id))
        if count is None:
            place = None
        elif viewer.resume_point.number is None:
            place = await _send_by_ids(viewer, tail, position, count)
        else:
            place = await _send_by_numbers(log, viewer, tail, position, count)
    except Exception as error:
        logger.error("sending a backlog failed, its viewer is cut: %s", where(error))
        viewer.cut()
        return
    if place is None:
        viewer.advance()  # it was told to go away, which may not be written yet
    else:
        viewer.follow(tail, place)


async def _send_by_ids(viewer: Viewer, tail: Tail, position: int, count: int) -> ResumePoint | None:
    """Sends pages of the log, which are shared with all who are as far; returns None where it wants no more."""
    known, cursor, backoff = tail.known, tail.known.id_at(position), Backoff()
    while viewer.open:
        reached = known.position(cursor)
        if reached is None or reached >= tail.frames.first or known.gone:
            return ResumePoint(cursor)
        page = await viewer.ask(partial(viewer.pages.after, tail.generation_id, cursor, count))
        if page is None:
            return None
        first = page.first_after(cursor)
        if first is None or page.last is None or not known.follows(cursor, first):
            # Redis came back older, which the log's follower finds out. A page that is held is not read again.
            del page
            await viewer.pause(next(backoff))
            continue
        if not await viewer.send(page.pieces(cursor, chunked=viewer.chunked)):
            return None
        cursor = page.last
        backoff.reset()
    return None


async def _send_by_numbers(log: Log, viewer: Viewer, tail: Tail, position: int, count: int) -> ResumePoint | None:
    """Frames the log anew, as the dialect's frames depend on those before; returns None where it wants no more."""
    known, epoch, resets, backoff = tail.known, tail.epoch, tail.resets, Backoff()
    projection, cursor = Projection(Telling(tail.dialect, tail.subject)), ORIGIN
    while viewer.open:
        read = await viewer.ask(partial(log.read_raw, tail.generation_id, cursor, count=count))
        if read is None:
            return None
        if tail.epoch != epoch or tail.resets != resets or known.gone:
            return ResumePoint(number=position, epoch=ANOTHER_EPOCH)
        # What the log's follower has not had may be another log's, of a Redis that came back older.
        page = [entry for entry in read if read_id(entry[0]) <= known.last]
        if not page:
            await viewer.pause(next(backoff))
            continue
        projection.add(page)
        cursor = read_id(page[-1][0])
        backoff.reset()
        fresh = projection.take(position)
        if projection.epoch != epoch:
            continue  # void
        if not await viewer.send(sse_frames.join(fresh, chunked=viewer.chunked)):
            return None
        position = max(position, projection.events)
        if tail.epoch == epoch and tail.resets == resets and position >= tail.frames.first:
            return ResumePoint(number=position, epoch=epoch)
    return None
