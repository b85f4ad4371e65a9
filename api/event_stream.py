"""The response that is a stream of a generation's events."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import sse
from api.admission import Start, admit
from api.hub import Hub
from api.tail import MAX_WRITE, RESTORATION, Tail
from api.viewer import Viewer
from shared.backoff import Backoff
from shared.events import ORIGIN, TERMINAL, EventId
from shared.log import PAGE, Entry

logger = logging.getLogger("midstream.api")

CATCH_UP = 3.0
"""Seconds a cursor may be ahead of a growing log: an older Redis soon has the rest again."""


class EventStream(Response):
    """Replays from the start that was asked for, follows, and ends after the terminal event.

    `admitted` is False where Redis could not be asked: the stream is open already when that is decided, so
    a refusal just ends it, and the client's reconnect gets the status. `first` is sent before all else.
    """

    def __init__(
        self,
        hub: Hub,
        generation_id: str,
        owner: str,
        start: Start,
        *,
        admitted: bool = True,
        first: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(headers)
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self.raw_headers += sse.HEADERS
        self._hub, self._id, self._owner = hub, generation_id, owner
        self._start, self._admitted, self._first = start, admitted, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        viewer = Viewer(scope, receive, send, self._hub.settings)
        with self._hub.attend(viewer):
            await viewer.write(sse.retry() + self._first)
            viewer.queued = self._first or None
            await self._serve(viewer)
            if viewer.draining and not viewer.left:
                await viewer.write(sse.DRAIN)
        if not viewer.left:
            await send({"type": "http.response.body", "body": b""})

    async def _serve(self, viewer: Viewer) -> None:
        start = self._start if self._admitted else await self._admit_late(viewer)
        if start is None:
            return
        if start.reset is not None:
            await viewer.write(sse.reset(start.reset))
        if start.sealed and not self._hub.watches(self._id):
            await self._replay(viewer, start)
            return
        with self._hub.watch(self._id) as tail:
            tail.followers.add(viewer)
            try:
                await follow(viewer, tail, start)
            finally:
                tail.followers.discard(viewer)

    async def _admit_late(self, viewer: Viewer) -> Start | None:
        """Decide once Redis can be asked; what a restarted one has lost, it is given time to have again."""
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        patience = loop.time() + RESTORATION
        while viewer.open:
            try:
                decision = await admit(self._hub.log, self._hub.generations, self._id, self._owner, self._start)
            except RedisError:
                patience = loop.time() + RESTORATION
            else:
                if isinstance(decision, Start):
                    return decision
                if decision != "not_found" or self._start.cursor == ORIGIN or loop.time() > patience:
                    return None
            await viewer.pause(next(backoff))
        return None

    async def _replay(self, viewer: Viewer, start: Start) -> None:
        """A log that has its end: page by page, each waiting until the last is on its way."""
        cursor = start.cursor
        while viewer.open:
            page = await self._page(viewer, cursor)
            if not page:
                return
            body = bytearray()
            for entry in page:
                body += sse.frame(entry)
                if len(body) >= MAX_WRITE:
                    await viewer.write(bytes(body))
                    body.clear()
            if body:
                await viewer.write(bytes(body))
            cursor = page[-1].id
            if page[-1].type in TERMINAL:
                return

    async def _page(self, viewer: Viewer, cursor: EventId) -> list[Entry]:
        backoff = Backoff()
        while viewer.open:
            try:
                return await self._hub.log.read(self._id, cursor, count=PAGE)
            except RedisError:
                await viewer.pause(next(backoff))
        return []


async def follow(viewer: Viewer, tail: Tail, start: Start) -> None:
    """Send a viewer what the tail has after its cursor, then whatever comes, until the end."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + CATCH_UP
    while viewer.open and not tail.gone:
        if not tail.loaded:
            await viewer.wait()
            patience = loop.time() + CATCH_UP
            continue
        if viewer.position is None:
            viewer.position = tail.position(start.cursor)
            if viewer.position is None:
                left = patience - loop.time()
                if start.cursor > tail.last and tail.state is None and left > 0:
                    await viewer.wait(left)
                else:
                    viewer.rewind()
                continue
        if viewer.rewound:
            viewer.rewound = False
            await viewer.write(sse.reset("unknown_cursor"))
        elif viewer.position < len(tail.frames):
            # The position moves before the write: while that waits, the tail may rewind it.
            body, viewer.position = tail.chunk(viewer.position)
            await viewer.write(body)
        elif tail.state is not None:
            return
        elif not tail.frames and tail.queued is not None and tail.queued != viewer.queued:
            viewer.queued = tail.queued
            await viewer.write(tail.queued)
        else:
            await viewer.wait()
