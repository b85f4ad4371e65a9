"""A viewer: one open SSE connection, and an index into frames that it shares with all others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from starlette.types import Receive, Scope, Send

from api import sse
from shared.settings import Settings

logger = logging.getLogger("midstream.api")

TRANSPORT = "midstream.transport"
"""ASGI scope extension: the connection's transport, to see whether its buffer drains, and to abort it."""


class Viewer:
    """Writes to one connection, waits for news, and knows when to stop. Nothing is queued here."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: Settings) -> None:
        self.position: int | None = None
        self.rewound = False
        """Whether a `reset` is due before the next frame."""
        self.queued: bytes | None = None
        """The last `queued` frame it was sent."""
        self.left = False
        self.draining = False
        self._receive, self._send = receive, send
        self._transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
        self._heartbeat, self._stall = settings.heartbeat, settings.viewer_stall
        self._news: asyncio.Future[None] | None = None
        self._beat = False
        self._loop = asyncio.get_running_loop()
        self._written_at = self._progress_at = self._loop.time()
        self._written = self._sent = 0

    @property
    def open(self) -> bool:
        """Whether it still wants to be served by this node."""
        return not (self.left or self.draining)

    def wake(self) -> None:
        """There is news."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def rewind(self) -> None:
        """Begin again at the start of the log, and say so."""
        self.position = 0
        self.rewound = True
        self.wake()

    def drain(self) -> None:
        """This node is going away."""
        self.draining = True
        self.wake()

    def tick(self, now: float) -> None:
        """Look whether a heartbeat is due, and whether the socket has been full for too long."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        # The buffer also holds the framing of chunks, so a stuck connection looks as if it went backwards.
        sent = self._written - unsent
        if not unsent or sent > self._sent:
            self._sent, self._progress_at = sent, now
        elif now - self._progress_at >= self._stall:
            logger.info("cut a viewer that has read nothing for %.0f s", now - self._progress_at)
            self.cut()
        if now - self._written_at >= self._heartbeat and not self._beat:
            self._beat = True
            self.wake()

    def cut(self) -> None:
        """End the connection at once; what is unsent is dropped, and the client resumes."""
        self.left = True
        if self._transport is not None:
            self._transport.abort()
        self.wake()

    async def write(self, body: bytes) -> None:
        """Hand bytes to the connection; waits while its buffer is full."""
        self._written_at = self._loop.time()
        self._written += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def wait(self, seconds: float | None = None) -> None:
        """Until news, at most `seconds`; passes a heartbeat on its way."""
        if not self._beat:
            self._news = self._loop.create_future()
            timer = self._loop.call_later(seconds, self.wake) if seconds is not None else None
            try:
                await self._news
            finally:
                if timer is not None:
                    timer.cancel()
        if self._beat and self.open:
            await self.write(sse.HEARTBEAT)
        self._beat = False

    async def pause(self, seconds: float) -> None:
        """Wait this long; heartbeats go on, and the end of the connection ends it."""
        until = self._loop.time() + seconds
        while self.open and (left := until - self._loop.time()) > 0:
            await self.wait(left)

    @contextlib.contextmanager
    def attended(self) -> Iterator[None]:
        """While inside, `left` is set when the client goes."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self.wake()
