"""Replays a log that has its end: page by page, without a tail."""

from redis.exceptions import RedisError

from api.supervisor import logger, where
from api.viewing.replay_pages import ReplayPage, ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.backoff import Backoff
from shared.log.events import ORIGIN, EventId


async def replay(pages: ReplayPages, generation_id: str, viewer: Viewer, start: ResumePoint) -> None:
    """Sends a viewer what follows its cursor, each page once the last is on its way, and ends it.

    A viewer that cannot be served is cut.
    """
    try:
        await send(pages, generation_id, viewer, start)
    except Exception as error:
        logger.error("a replay failed, its viewer is cut: %s", where(error))
        viewer.cut()
    viewer.finish()


async def send(pages: ReplayPages, generation_id: str, viewer: Viewer, start: ResumePoint) -> bool:
    """Sends a viewer what follows its cursor; returns whether that was all, up to the log's end."""
    cursor = start.cursor
    while (page := await _page(pages, generation_id, viewer, cursor, start.page)) is not None and page.last is not None:
        if cursor == ORIGIN and page.trimmed and start.reset is None:
            viewer.say_reset("trimmed")
        if not page.ended:
            pages.expect(generation_id, page.last, start.page)
        for piece in page.pieces(cursor, chunked=viewer.chunked):
            if not await viewer.room():
                return False
            viewer.write(piece)
        cursor = page.last
        if page.ended:
            return True
    return False


async def _page(
    pages: ReplayPages, generation_id: str, viewer: Viewer, cursor: EventId, count: int
) -> ReplayPage | None:
    """Returns what follows the cursor, for which a Redis that is away is waited for; None once nobody waits for it."""
    backoff = Backoff()
    while viewer.open:
        try:
            return await pages.after(generation_id, cursor, count)
        except RedisError:
            await viewer.pause(next(backoff))
    return None
