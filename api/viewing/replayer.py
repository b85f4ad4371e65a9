"""Replays a log that has its end: page by page, without a tail."""

from redis.exceptions import RedisError

from api.supervisor import logger, where
from api.viewing.replay_pages import ReplayPage, ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from shared.backoff import Backoff
from shared.log.events import ORIGIN, EventId


class Replayer:
    """Sends one viewer what follows its cursor, each page once the last is on its way, and ends it."""

    def __init__(self, pages: ReplayPages, generation_id: str, viewer: Viewer) -> None:
        self._pages, self._id, self._viewer = pages, generation_id, viewer

    async def run(self, start: ResumePoint) -> None:
        """Replay from there; a viewer that cannot be served is cut."""
        try:
            await self._send(start)
        except Exception as error:
            logger.error("a replay failed, its viewer is cut: %s", where(error))
            self._viewer.cut()
        self._viewer.finish()

    async def _send(self, start: ResumePoint) -> None:
        viewer, cursor = self._viewer, start.cursor
        while (page := await self._page(cursor)) is not None and page.last is not None:
            if cursor == ORIGIN and page.trimmed and start.reset is None:
                viewer.say_reset("trimmed")
            if not page.ended:
                self._pages.expect(self._id, page.last)
            for piece in page.pieces(cursor, chunked=viewer.chunked):
                if not await viewer.room():
                    return
                viewer.write(piece)
            cursor = page.last
            if page.ended:
                return

    async def _page(self, cursor: EventId) -> ReplayPage | None:
        """What follows the cursor, for which a Redis that is away is waited for; None once nobody waits for it."""
        backoff = Backoff()
        while self._viewer.open:
            try:
                return await self._pages.after(self._id, cursor)
            except RedisError:
                await self._viewer.pause(next(backoff))
        return None
