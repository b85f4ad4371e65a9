"""A viewer: one open SSE connection, and an index into frames that it shares with all others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from redis.exceptions import RedisError

from api.counting.seats import Seat
from api.counting.viewer_count import GenerationViewers
from api.observer import CutReason, Observer
from api.supervisor import logger
from api.viewing import sse_frames
from api.viewing.connection import Connection
from api.viewing.dialect import Dialect, ResetReason
from api.viewing.replay_pages import ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.tail import Tail
from shared.backoff import Backoff
from shared.config.settings import Settings
from shared.log.events import ORIGIN

Answer = TypeVar("Answer")
_FROM_THE_BEGINNING = ResumePoint()


class Host(Protocol):
    """The owner of viewers (the hub), as a viewer calls it."""

    settings: Settings
    observer: Observer
    pages: ReplayPages
    catch_up_s: float
    """Seconds a cursor may be ahead of a growing log: an older Redis soon has the rest again."""

    def leave(self, viewer: Viewer, tail: Tail | None) -> None:
        """Removes this viewer, which no longer watches the tail."""

    def send_backlog(self, viewer: Viewer, tail: Tail, position: int) -> asyncio.Task[None]:
        """Sends a viewer what lies between its position and the tail's window, after which it follows the tail again.

        Returns the task that does it.
        """


class Viewer:
    """Writes to one connection as far as that takes it, and knows when to stop. Nothing is queued here.

    It needs no task: whoever has more for it, or room, calls `advance`. What must wait before it can follow a
    tail (`event_stream`) has one until then, which writes after `room` only.
    """

    __slots__ = (
        "_backlog",
        "_catch_up",
        "_connection",
        "_current",
        "_dialect",
        "_done",
        "_due",
        "_host",
        "_loop",
        "_progress_at",
        "_queued",
        "_room",
        "_sent",
        "_tail",
        "_written",
        "_written_at",
        "closed",
        "counted",
        "draining",
        "grant",
        "over",
        "position",
        "resume_point",
        "rewound",
        "seat",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        host: Host,
        dialect: Dialect,
        first: bytes = b"",
        start: ResumePoint = _FROM_THE_BEGINNING,
        grant: str = "",
    ) -> None:
        self.grant = grant
        """What let it in, and ends it when it is withdrawn; empty where nothing can be."""
        self.position: int | None = None
        self.rewound = False
        """Whether a `reset` is due before the next frame."""
        self.draining = False
        self.over = False
        """Whether its client is gone, or has had everything."""
        self.closed: Callable[[bool], None] | None = None
        """Is called once when it is over, with whether its client was sent all there is."""
        self.counted: GenerationViewers | None = None
        """Among which it is counted, once it may watch."""
        self.seat: Seat | None = None
        """Its place among its owner's streams, where these are limited."""
        self._connection, self._host, self._dialect = connection, host, dialect
        self._due = dialect.opening() + first
        self._queued = first
        """The last `queued` frame it was sent."""
        self._done = False
        self._current = False
        """Whether it has had all of its tail, and nothing else is due."""
        self._tail: Tail | None = None
        self.resume_point = start
        self._catch_up: asyncio.TimerHandle | None = None
        self._backlog: asyncio.Task[None] | None = None
        """What sends it that which its tail no longer has; meanwhile it does not follow."""
        self._room: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._written_at = self._progress_at = self._loop.time()
        self._written = self._sent = 0

    @property
    def open(self) -> bool:
        """Says whether it still wants to be served by this node."""
        return not (self.over or self.draining or self._done)

    @property
    def pages(self) -> ReplayPages:
        """Returns the pages of logs in its words, where these have the log's ids."""
        return self._host.pages

    @property
    def chunked(self) -> bool:
        """Says whether its connection takes chunks."""
        return self._connection.chunked

    def say(self, body: bytes) -> None:
        """Sends these bytes to this viewer before any other frames of its own."""
        self._current = False
        self._due += body
        self.advance()

    def offer(self, frame: bytes) -> bool:
        """Sends a frame without an id at once, or not at all: returns False where something is on its way."""
        if self._due or self._done or self.draining or self.over or self._connection.full:
            return False
        self._write_own(frame)
        return True

    def say_reset(self, reason: ResetReason) -> None:
        """Sends the `reset` which says that what follows starts from the beginning of the log."""
        self.say(self._dialect.reset(reason))

    def write(self, wire: sse_frames.Piece) -> None:
        """Writes a piece to the connection, which must not be full; bytes are a chunk where it takes those."""
        if not wire:
            return
        self._written_at = self._loop.time()
        self._written += len(wire)
        if isinstance(wire, bytes):
            self._connection.write(wire)
        else:
            self._connection.write_slices(wire)

    def follow(self, tail: Tail, start: ResumePoint) -> None:
        """Follows the tail: what it has after the cursor, then whatever comes, until the end."""
        self._tail, self.resume_point, self._backlog = tail, start, None
        self.position = None
        tail.broadcast.followers.add(self)
        self.advance()

    def finish(self) -> None:
        """Ends the connection once all that is due is written."""
        self._current = False
        self._done = True
        self.advance()

    def advance(self) -> None:
        """Writes what there is, as far as the connection takes it."""
        if self._current:
            self._write_newest()
        if self._current:
            return
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            return
        while not (self._connection.full or self.over):
            if self._due:
                due, self._due = self._due, b""
                self._write_own(due)
            elif self.draining:
                self.draining = False
                if drain := self._dialect.drain:
                    self._done = True
                    self._write_own(drain)
                else:
                    self.break_off()
            elif self._done:
                self._connection.end()
                self._close(whole=True)
            elif self._tail is None or self._backlog is not None or not self._step(self._tail):
                return

    def take(self, chunks: Mapping[int | None, bytes], end: int, now: float) -> None:
        """Does what `advance` does, for thousands of viewers at each event: those at one position write one chunk."""
        connection = self._connection
        piece = chunks.get(self.position)
        if piece and self._current and connection.chunked and not connection.full:
            self.position = end
            self._written_at = now
            self._written += len(piece)
            connection.write(piece)
        else:
            self.advance()

    def _write_newest(self) -> None:
        """Writes what is new: the common case of `advance` where there is no `take`."""
        connection, tail, position = self._connection, self._tail, self.position
        assert tail is not None
        assert position is not None
        if tail.known.ended or tail.failed or position < tail.frames.first:
            self._current = False
        elif position < tail.frames.count and not connection.full:
            piece, end = tail.broadcast.piece(position, connection.chunked)
            self.position = end
            # Where there is more than one piece, the long way goes on.
            self._current = end == tail.frames.count
            self.write(piece)

    def _step(self, tail: Tail) -> bool:
        """Does the next step of following the tail; returns False where there is nothing to do."""
        known = tail.known
        if known.gone or tail.failed:
            self._lose(tail)
        elif not tail.loaded or (self.position is None and not self._locate(tail)):
            return False
        elif self.rewound:
            self.rewound = False
            self._start_over("trimmed" if known.trimmed else "unknown_cursor")
        elif (position := self.position or 0) < tail.frames.first:
            self._fall_behind(tail, position)
        elif position < tail.frames.count:
            # The position moves before the write: that may come back here.
            piece, self.position = tail.broadcast.piece(position, self._connection.chunked)
            self.write(piece)
        elif known.state is not None and position > tail.frames.count:
            self.break_off()  # what it has had was lost for good, and is not all of this
        elif known.state is not None:
            self._end_of_log()
        elif not tail.frames.count and tail.line is not None and tail.line != self._queued:
            self._queued = tail.line
            self._write_own(tail.line)
        else:
            self._current = bool(tail.frames.count)
            return False
        return True

    def _fall_behind(self, tail: Tail, position: int) -> None:
        """Has what the tail no longer holds sent from the log."""
        tail.broadcast.followers.discard(self)
        self._backlog = self._host.send_backlog(self, tail, position)

    def stop_backlog(self) -> None:
        """Has nothing more sent from the log."""
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.cancel()

    def _lose(self, tail: Tail) -> None:
        """Ends, as the log is gone or cannot be told in this dialect."""
        if self._dialect.drain:
            self._done = True
        else:
            self.break_off()  # a clean end would look like the answer's

    def _start_over(self, reason: ResetReason) -> None:
        """Says that what follows starts from the beginning of the log."""
        if reset := self._dialect.reset(reason):
            self._write_own(reset)
        else:
            self.break_off()

    def _end_of_log(self) -> None:
        """Ends, as it has had the whole log."""
        self._done = True
        if ending := self._dialect.ending:
            self._write_own(ending)

    def _locate(self, tail: Tail) -> bool:
        """Finds the cursor's place in the frames; returns False where its event may still come."""
        known = tail.known
        start = self.resume_point
        self.position = tail.position(start)
        if self.position is not None:
            self.rewound = start.number is None and start.cursor == ORIGIN and known.trimmed
            return True
        if start.number is None and start.cursor > known.last and known.state is None:
            if self._catch_up is None:
                self._catch_up = self._loop.call_later(self._host.catch_up_s, self._begin_again)
            return False
        self.position, self.rewound = 0, True
        return True

    def _begin_again(self) -> None:
        if self.position is None:
            self.rewind()
            self.advance()

    def rewind(self) -> None:
        """Begins again at the start of the log, and says so."""
        self._current = False
        self.position = 0
        self.rewound = True

    def drain(self) -> None:
        """Says that this node is going away, and ends."""
        self._current = False
        self.draining = not (self._done or self.over)
        self.advance()

    def tick(self, now: float) -> None:
        """Looks whether a heartbeat is due, and whether the socket has been full for too long."""
        unsent = self._connection.unsent()
        # The buffer may also hold the framing of chunks, so a stuck connection looks as if it went backwards.
        sent = self._written - unsent
        if not unsent or sent > self._sent:
            self._sent, self._progress_at = sent, now
        elif now - self._progress_at >= self._host.settings.viewer_stall:
            logger.info("cut a viewer that has read nothing for %.0f s", now - self._progress_at)
            self.cut("stalled")
            return
        if now - self._written_at >= self._host.settings.heartbeat and not self._connection.full:
            self._write_own(self._heartbeat())

    def _heartbeat(self) -> bytes:
        """Returns a dialect's heartbeat; before its first event a comment, as clients wait for that event first."""
        begun = self.resume_point.number is None or self.resume_point.number or self.position
        return self._dialect.heartbeat if begun else sse_frames.COMMENT

    def cut(self, reason: CutReason = "failed") -> None:
        """Ends the connection at once; what is unsent is dropped, and the client resumes."""
        if not self.over:
            self._host.observer.cut(reason)
        self._connection.abort()
        self._close()

    def break_off(self) -> None:
        """Ends the connection so that its client knows: this was not the end."""
        self._connection.break_off()
        self._close()

    def revoke(self) -> None:
        """Ends the connection, as what let it in has ended: nothing more is sent, and nobody takes it for the end."""
        if self._connection.chunked:
            self.cut("revoked")  # without its last chunk an answer is not whole
        else:
            self._host.observer.cut("revoked")
            self.break_off()

    def reset(self) -> None:
        """Resets the connection, as a broken network would."""
        if not self.over:
            self._host.observer.cut("demo")
        self._connection.reset()
        self._close()

    def leave(self) -> None:
        self._close()

    async def room(self) -> bool:
        """Waits until the connection takes another write; returns False where there is to be none."""
        while self.open and (self._connection.full or self._due):
            if self._connection.full:
                await self._wait()
            else:
                due, self._due = self._due, b""
                self._write_own(due)
        return self.open

    async def send(self, pieces: Iterable[sse_frames.Piece]) -> bool:
        """Writes pieces, each once the connection takes it; returns False where it takes no more."""
        for piece in pieces:
            if not await self.room():
                return False
            self.write(piece)
        return True

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Asks Redis, again and again while it is away; returns None once nobody waits for the answer."""
        backoff = Backoff()
        while self.open:
            try:
                return await question()
            except RedisError:
                await self.pause(next(backoff))
        return None

    async def pause(self, seconds: float) -> None:
        """Waits this long, or until the connection ends; heartbeats go on meanwhile."""
        until = self._loop.time() + seconds
        while self.open and (left := until - self._loop.time()) > 0:
            await self._wait(left)

    async def _wait(self, seconds: float | None = None) -> None:
        room = self._room = self._loop.create_future()
        timer = self._loop.call_later(seconds, self.advance) if seconds is not None else None
        try:
            await room
        finally:
            # Where this was cancelled, another may wait already.
            if self._room is room:
                self._room = None
            if timer is not None:
                timer.cancel()

    def _write_own(self, body: bytes) -> None:
        self.write(sse_frames.chunk(body) if self._connection.chunked else body)

    def _close(self, *, whole: bool = False) -> None:
        if self.over:
            return
        self.over = True
        if self.closed is not None:
            self.closed(whole)
        self._current = False
        if self._catch_up is not None:
            self._catch_up.cancel()
        self.stop_backlog()
        tail, self._tail = self._tail, None
        if tail is not None:
            tail.broadcast.followers.discard(self)
        self._host.leave(self, tail)
        self.advance()  # for who waits for room
