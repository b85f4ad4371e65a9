"""The response that is a stream of a generation's events."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access.caller import Caller, grant_of
from api.counting.seats import Seat
from api.problems.problem import ProblemError
from api.supervisor import logger, where
from api.viewing.connection import GIVER_EXTENSION, AsgiConnection, Connection
from api.viewing.dialect import Telling
from api.viewing.hub import Hub
from api.viewing.projection import project
from api.viewing.replayer import replay
from api.viewing.resume import Refusal, ResumePoint, admit
from api.viewing.sse_frames import STREAM_HEADERS
from api.viewing.viewer import Viewer
from shared.backoff import Backoff
from shared.log.events import ORIGIN


class EventStream(Response):
    """Replays a log from the requested start, follows it, and ends after the terminal event.

    `admitted` is False where Redis could not be asked: the stream is open already when that is decided, so
    a refusal just ends it, and the client's reconnect gets the status. Where it could not be asked for who watches
    either, `asking` says that then; it raises ProblemError, and redis.exceptions.RedisError. `first` is sent before all
    else. `told` is the dialect, the base one where it is None; `closed` is called once when the stream is over
    (`Viewer.closed`). `seat` is its place among the streams of its owner, where that was taken before; else it is taken
    here. With `counts` the viewer is told how many there are.
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
        seat: Seat | None = None,
        counts: bool = False,
        asking: Callable[[], Awaitable[Caller]] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(headers)
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self.raw_headers += STREAM_HEADERS
        self._hub, self.id, self.owner = hub, generation_id, owner
        self.start, self._admitted, self._first = start, admitted, first
        self._told, self._closed = told, closed
        self._seat, self.counts = seat, counts
        self._asking = asking

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one viewer; where its connection can be had, this returns and the viewer goes on without a task.

        Raises ProblemError 429 where its owner has too many streams.
        """
        viewed = scope["method"] != "HEAD"
        if viewed and self._seat is None and self._asking is None:
            self._seat = await self._hub.audience.seats.take(self.owner)
        try:
            await self._open(scope, receive, send, viewed=viewed)
        except BaseException:
            if self._seat is not None:
                self._seat.leave()
            raise

    async def _open(self, scope: Scope, receive: Receive, send: Send, *, viewed: bool) -> None:
        giver = scope.get("extensions", {}).get(GIVER_EXTENSION) if viewed else None
        if giver is not None:
            giver.prepare()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if not viewed:
            await send({"type": "http.response.body", "body": b""})
        elif giver is not None and self._hub.direct and (direct := giver.give()) is not None:
            viewer = self._viewer(direct, scope)
            direct.serve(viewer)
            self._serve(viewer)
        else:
            connection = AsgiConnection(scope, receive, send if giver is None else giver.unchunked(send))
            viewer = self._viewer(connection, scope)
            self._serve(viewer)
            try:
                await connection.serve(viewer)
            finally:
                viewer.leave()

    def _made(self, connection: Connection, grant: str) -> Viewer:
        dialect = self._hub.dialect if self._told is None else self._told.dialect
        return Viewer(connection, self._hub, dialect, self._first, self.start, grant)

    def _viewer(self, connection: Connection, scope: Scope) -> Viewer:
        viewer = self._made(connection, grant_of(scope))
        viewer.closed, viewer.seat = self._closed, self._seat
        self._hub.join(viewer)
        self._hub.observer.opened(resumed=self.start.resumed)
        return viewer

    def _serve(self, viewer: Viewer) -> None:
        if not self._admitted:
            self._hub.run(self._begin_late(viewer))
        else:
            self._begin(viewer, self.start)

    def _begin(self, viewer: Viewer, start: ResumePoint) -> None:
        if not viewer.over:
            viewer.counted = self._hub.audience.join(self.id, start.unwatched_ms)
        if start.reset is not None:
            viewer.say_reset(start.reset)
        if self._told is not None and start.long and not self._hub.watches(self.id):
            self._hub.run(project(self._hub.log, self.id, self._told, viewer, start))
        elif self._told is not None:
            viewer.follow(self._hub.acquire(self.id, *self._told), start)
        elif start.sealed and not self._hub.watches(self.id):
            self._hub.run(replay(self._hub.pages, self.id, viewer, start))
        else:
            viewer.follow(self._hub.acquire(self.id), start)
        if self.counts and viewer.counted is not None and not viewer.over:
            self._hub.audience.ask(viewer.counted, viewer)

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
                await self._ask(viewer)
                decision = await self._decide()
            except ProblemError as problem:
                if problem.status != 503:
                    return None
                give_up_at = loop.time() + self._hub.generations.durability.given_up_s
            except RedisError:
                give_up_at = loop.time() + self._hub.generations.durability.given_up_s
            else:
                if isinstance(decision, ResumePoint):
                    return decision
                if decision != "not_found" or self.start.cursor == ORIGIN or loop.time() > give_up_at:
                    return None
            await viewer.pause(next(backoff))
        return None

    async def _decide(self) -> ResumePoint | Refusal:
        return await admit(self._hub.log, self._hub.looks, self.id, self.owner, self.start)

    async def _ask(self, viewer: Viewer) -> None:
        """Asks who watches, where nobody could say that before. Raises ProblemError and RedisError."""
        if self._asking is None:
            return
        caller = await self._asking()
        self._asking = None
        self.owner, self.id = caller.owner, caller.generation or self.id
        self._hub.grant(viewer, caller.grant)
        viewer.seat = await self._hub.audience.seats.take(self.owner)
        if viewer.over and viewer.seat is not None:
            viewer.seat.leave()
