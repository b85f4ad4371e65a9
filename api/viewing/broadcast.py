"""A broadcast: calls all followers of one log's frames when there are more, and joins what they write once for all."""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Protocol

from api.supervisor import logger, where
from api.viewing import sse_frames
from api.viewing.frames import Frames
from api.viewing.known_log import KnownLog

VIEWERS_PER_ROUND = 500
"""Viewers that are written to before other tasks have their turn: a few milliseconds."""
MAX_JOINED_PIECES = 8
"""Most joined pieces that are kept for viewers who are as far as another one."""


class FramesFollower(Protocol):
    """A follower of frames: `position` is the number of events it has had, None while that is undecided."""

    position: int | None

    def advance(self) -> None:
        """Is called when there is more to write, or an end."""

    def take(self, chunks: Mapping[int | None, bytes], end: int, now: float) -> None:
        """Is called with what is new: `chunks` has, for each position of a follower, the chunk from there to `end`.

        There is no chunk where new events have no frames. `now` is the loop's time.
        """

    def cut(self) -> None:
        """Ends this follower, as a call of it has failed."""

    def rewind(self) -> None:
        """Begins again at 0, as what this follower has had is no longer in the log."""


class Broadcast:
    """Calls the followers in rounds, so that all that comes until the next round goes into one write.

    `window` is the seconds from one round to the next, at least.
    """

    __slots__ = (
        "_again", "_announced", "_frames", "_joined", "_known", "_loop", "_next_round", "_pieces", "_round",
        "_round_at", "_to_newest", "_window", "followers",
    )  # fmt: skip

    def __init__(self, known: KnownLog, frames: Frames, window: float) -> None:
        self.followers: set[FramesFollower] = set()
        # Asked of asyncio each time, it costs a call of getpid().
        self._loop = asyncio.get_running_loop()
        self._known, self._frames, self._window = known, frames, window
        self._pieces: dict[tuple[int, bool], tuple[sse_frames.Piece, int]] = {}
        # Of these, the chunks that end with the newest event.
        self._to_newest: dict[int | None, bytes] = {}
        # Number of events when these were joined.
        self._joined = 0
        self._round: Iterator[FramesFollower] | None = None
        # Number of events of which the followers were told, and when the last round began.
        self._announced = 0
        self._round_at = 0.0
        self._next_round: asyncio.Handle | None = None
        self._again = False

    def piece(self, position: int, chunked: bool) -> tuple[sse_frames.Piece, int]:
        """Returns what follows a position, about MAX_WRITE_BYTES or one long frame, and the position after it."""
        self._forget_older()
        known = self._pieces.get((position, chunked))
        if known is not None:
            return known
        body, end = self._frames.read(position)
        piece = sse_frames.on_wire(body, chunked=chunked)
        made = piece, end
        # Viewers that keep up ask for the same piece, until there is a longer one.
        if len(self._pieces) == MAX_JOINED_PIECES:
            self._forget()
        self._pieces[position, chunked] = made
        if chunked and end == self._frames.count and isinstance(piece, bytes):
            self._to_newest[position] = piece
        return made

    def _forget_older(self) -> None:
        """Drops pieces that were joined before the newest event: they are too short."""
        if self._joined != self._frames.count:
            self._joined = self._frames.count
            self._forget()

    def _forget(self) -> None:
        self._pieces.clear()
        self._to_newest.clear()

    def reset(self, same: int) -> None:
        """Drops all frames after those of the first `same` events; followers that have had more start over."""
        self._forget()
        self._announced = 0
        for follower in self.followers:
            if follower.position is not None and follower.position > same:
                follower.rewind()

    def wake(self) -> None:
        """Calls the followers soon: what comes until then goes into the same write."""
        if self._round is not None:
            self._again = True
        elif self._next_round is None and self.followers:
            wait = self._round_at + self._window - self._loop.time() if self._window else 0.0
            if wait > 0:
                self._next_round = self._loop.call_later(wait, self._begin)
            else:
                self._next_round = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._next_round = None
        if self._window:
            self._round_at = self._loop.time()
        self._round = iter(tuple(self.followers))
        self._go_on()

    def _go_on(self) -> None:
        assert self._round is not None
        count = 0
        end, now = self._frames.count, self._loop.time()
        self._forget_older()
        chunks = self._to_newest
        if self._known.ended:
            chunks = {}  # what ends a stream is more than a write
        elif self._frames.first <= self._announced < end:
            # Most have had all of which they were told.
            piece, reached = self._frames.read(self._announced)
            if reached == end and len(piece) <= sse_frames.MAX_SLICE_BYTES:
                chunks[self._announced] = sse_frames.chunk(piece)
        for follower in islice(self._round, VIEWERS_PER_ROUND):
            count += 1
            try:
                follower.take(chunks, end, now)
            except Exception as error:
                logger.error("a viewer failed and is cut: %s", where(error))
                follower.cut()
        if count == VIEWERS_PER_ROUND:
            self._loop.call_soon(self._go_on)
            return
        self._round = None
        self._announced = end
        if (sent := self._known.sent) is not None:
            self._known.sent = None
            sent()
        if self._again:
            self._again = False
            self.wake()
