"""Replays a log that has its end: page by page, without a tail."""

from functools import partial

from api.supervisor import logger, where
from api.viewing.replay_pages import ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.log.events import ORIGIN


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
    while page := await viewer.ask(partial(pages.after, generation_id, cursor, start.page)):
        if page.last is None:
            break
        if cursor == ORIGIN and page.trimmed and start.reset is None:
            viewer.say_reset("trimmed")
        if not page.ended:
            pages.expect(generation_id, page.last, start.page)
        if not await viewer.send(page.pieces(cursor, chunked=viewer.chunked)):
            return False
        cursor = page.last
        if page.ended:
            return True
    return False
