"""The response that is a stream of a generation's events."""

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.supervisor import logger, where
from api.viewing.connection import GIVER_EXTENSION, AsgiConnection, Connection
from api.viewing.dialect import Telling
from api.viewing.hub import Hub
from api.viewing.projection import project
from api.viewing.replayer import replay
from api.viewing.resume import ResumePoint, admit
from api.viewing.sse_frames import STREAM_HEADERS
from api.viewing.viewer import Viewer
from shared.backoff import Backoff
from shared.log.events import ORIGIN


class EventStream(Response):
    """Replays a log from the requested start, follows it, and ends after the terminal event.

    `admitted` is False where Redis could not be asked: the stream is open already when that is decided, so
    a refusal just ends it, and the client's reconnect gets the status. `first` is sent before all else. `told` is the
    dialect, the base one where it is None; `closed` is called once when the stream is over (`Viewer.closed`).
    """

    def __init__(
        self,
        hub: Hub,
        generation_id: str,
        owner: str,
        start: ResumePoint,
        *,
        admitted: bool = True,
        first: bytes = b"",
        headers: dict[str, str] | None = None,
        told: Telling | None = None,
        closed: Callable[[bool], None] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(headers)
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self.raw_headers += STREAM_HEADERS
        self._hub, self._id, self._owner = hub, generation_id, owner
        self._start, self._admitted, self._first = start, admitted, first
        self._told, self._closed = told, closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one viewer; where its connection can be had, this returns and the viewer goes on without a task."""
        viewed = scope["method"] != "HEAD"
        giver = scope.get("extensions", {}).get(GIVER_EXTENSION) if viewed else None
        if giver is not None:
            giver.prepare()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if not viewed:
            await send({"type": "http.response.body", "body": b""})
        elif giver is not None and self._hub.direct and (direct := giver.give()) is not None:
            viewer = self._viewer(direct)
            direct.serve(viewer)
            self._serve(viewer)
        else:
            connection = AsgiConnection(scope, receive, send if giver is None else giver.unchunked(send))
            viewer = self._viewer(connection)
            self._serve(viewer)
            try:
                await connection.serve(viewer)
            finally:
                viewer.leave()

    def _viewer(self, connection: Connection) -> Viewer:
        dialect = self._hub.dialect if self._told is None else self._told.dialect
        viewer = Viewer(connection, self._hub, dialect, self._first, self._start)
        viewer.closed = self._closed
        self._hub.join(viewer)
        return viewer

    def _serve(self, viewer: Viewer) -> None:
        if not self._admitted:
            self._hub.run(self._begin_late(viewer))
        else:
            self._begin(viewer, self._start)

    def _begin(self, viewer: Viewer, start: ResumePoint) -> None:
        if start.reset is not None:
            viewer.say_reset(start.reset)
        if self._told is not None and start.long and not self._hub.watches(self._id):
            self._hub.run(project(self._hub.log, self._id, self._told, viewer, start))
        elif self._told is not None:
            viewer.follow(self._hub.acquire(self._id, *self._told), start)
        elif start.sealed and not self._hub.watches(self._id):
            self._hub.run(replay(self._hub.pages, self._id, viewer, start))
        else:
            viewer.follow(self._hub.acquire(self._id), start)

    async def _begin_late(self, viewer: Viewer) -> None:
        try:
            start = await self._admit_late(viewer)
        except Exception as error:
            logger.error("admitting a viewer failed, it is cut: %s", where(error))
            viewer.cut()
            return
        if start is None or viewer.over:
            viewer.finish()
        else:
            self._begin(viewer, start)

    async def _admit_late(self, viewer: Viewer) -> ResumePoint | None:
        """Decides once Redis answers; a restarted Redis is given time until what it lost is written again."""
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        give_up_at = loop.time() + self._hub.generations.durability.given_up_s
        while viewer.open:
            try:
                decision = await admit(self._hub.log, self._hub.generations, self._id, self._owner, self._start)
            except RedisError:
                give_up_at = loop.time() + self._hub.generations.durability.given_up_s
            else:
                if isinstance(decision, ResumePoint):
                    return decision
                if decision != "not_found" or self._start.cursor == ORIGIN or loop.time() > give_up_at:
                    return None
            await viewer.pause(next(backoff))
        return None
