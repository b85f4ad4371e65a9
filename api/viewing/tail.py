"""A tail: one generation's log, read once, as ready-made frames that all its viewers share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol, cast

from redis.exceptions import RedisError

from api.supervisor import where
from api.viewing import sse_frames
from api.viewing.frames import Frames
from shared.backoff import Backoff
from shared.generations.generations import Existence, Generations
from shared.log.entry import Entry
from shared.log.events import ORIGIN, TERMINAL_TYPES, EventId
from shared.log.guarded_log import LOG_PAGE, Log, Publication, next_delta
from shared.record import State
from shared.storage.outage import level

logger = logging.getLogger("midstream.api")

VIEWERS_PER_ROUND = 500
"""Viewers that are written to before others have their turn: a few milliseconds."""
MAX_JOINED_PIECES = 8
"""Joined frames that are kept for viewers who are as far as another one."""
MAX_EARLY_PUBLICATIONS = 256
"""Publications that are kept while the log is being read; with more, it is read once more instead."""
RESTORATION_S = 10.0
"""Seconds in which a worker writes again what a Redis that came back older has lost altogether."""
QUEUE_POLL_S = 1.0
"""Seconds between two looks at the place in line."""


class TailFollower(Protocol):
    """Who follows a tail: `position` is the number of frames it has had, None while that is undecided."""

    position: int | None

    def advance(self) -> None:
        """There is news."""

    def take(self, news: Mapping[int | None, bytes], end: int, now: float) -> None:
        """There is news: for whoever has had all up to a position, the one chunk from there to `end`.

        `now` is the loop's time.
        """

    def cut(self) -> None:
        """It cannot be told."""

    def rewind(self) -> None:
        """What it has had is no longer in the log: begin again at 0."""


class Tail:
    """Subscribes, reads the log, then goes live; closes gaps from the log, which alone is the truth.

    `check` is the seconds without news after which it looks at the log all the same, `window` the seconds from one
    telling of its followers to the next, at least.
    """

    # Found at a few places in memory instead of many: with hundreds of tails none of it is in a cache.
    __slots__ = (
        "_again", "_check", "_due", "_early", "_forgotten_at", "_generations", "_id", "_log", "_loop", "_news",
        "_next", "_pieces", "_reading", "_rebuild", "_round", "_seq", "_starts", "_subscribed", "_tell", "_token",
        "_told", "_told_at", "_window", "ended", "followers", "frames", "generation_id", "gone", "loaded",
        "queued", "state",
    )  # fmt: skip

    def __init__(
        self, generation_id: str, log: Log, generations: Generations, *, check: float, window: float = 0.0
    ) -> None:
        self.generation_id = generation_id
        self.frames = Frames()
        self.loaded = False
        """Whether the log has been read to its end at least once."""
        self.state: State | None = None
        """Type of the terminal event; None while there is none."""
        self.gone = False
        """There is nothing (any more) to follow: deleted, or expired."""
        self.queued: bytes | None = None
        """Frame with the place in line, while the log is empty."""
        self.ended = asyncio.Event()
        """Set with `state` and with `gone`."""
        self.followers: set[TailFollower] = set()
        # Asked of asyncio each time, it costs a call of getpid().
        self._loop = asyncio.get_running_loop()
        self._log, self._generations, self._check, self._window = log, generations, check, window
        # Ids are dense within a token: where its seq 0 stands in `frames`.
        self._starts: dict[int, int] = {}
        self._subscribed = False
        self._reading = False
        self._rebuild = False
        self._early: list[Publication] = []
        self._pieces: dict[tuple[int, bool], tuple[bytes, int]] = {}
        # Of these, the chunks that end with the newest frame.
        self._news: dict[int | None, bytes] = {}
        self._token, self._seq = ORIGIN
        # Of the delta that would come next: its id, and how its publication begins.
        self._id, self._next = next_delta(*ORIGIN)
        self._forgotten_at: float | None = None
        self._due = asyncio.Event()
        self._round: Iterator[TailFollower] | None = None
        # Number of frames of which the followers were told, and when.
        self._told = 0
        self._told_at = 0.0
        self._tell: asyncio.Handle | None = None
        self._again = False

    @property
    def last(self) -> EventId:
        """The newest event's id."""
        return EventId(self._token, self._seq)

    @property
    def trimmed(self) -> bool:
        """Whether the log's start was removed: its first event is then not an attempt's first."""
        return any(start < 0 for start in self._starts.values())

    def position(self, cursor: EventId) -> int | None:
        """Number of frames up to and with this event; None where the log has no such event."""
        if cursor == ORIGIN:
            return 0
        start = self._starts.get(cursor.token)
        if start is None:
            return None
        # Below 0 where the log was trimmed beyond the cursor; 0 where what was trimmed ends with it.
        position = start + cursor.seq + 1
        end = min((later for later in self._starts.values() if later > start), default=self.frames.count)
        return position if 0 <= position <= end else None

    def piece(self, position: int, chunked: bool) -> tuple[bytes, int]:
        """The frames from a position on, about MAX_WRITE bytes at most, for one write; and the position after it."""
        known = self._pieces.get((position, chunked))
        if known is not None:
            return known
        piece, end = self.frames.read(position)
        made = (sse_frames.chunk(piece) if chunked else piece, end)
        # Viewers that keep up ask for the same piece, until there is a longer one.
        if len(self._pieces) == MAX_JOINED_PIECES:
            self._drop_pieces()
        self._pieces[position, chunked] = made
        if chunked and end == self.frames.count:
            self._news[position] = made[0]
        return made

    def _drop_pieces(self) -> None:
        self._pieces.clear()
        self._news.clear()

    def subscribed(self) -> None:
        """The subscription stands: whatever came before is read from the log now."""
        self._subscribed = True
        self._due.set()

    def published(self, message: bytes) -> None:
        """News of a write."""
        if message.startswith(self._next) and not self._reading and self.state is None:
            data = message[len(self._next) :]
            if b"\n" not in data:
                self._add_delta(data)
                return
        try:
            publication = Publication.parse(message)
        except ValueError:
            logger.error("unreadable publication for %s; reading the log instead", self.generation_id)
            self._due.set()
            return
        if publication is None:
            self._end_gone()
        elif not self._reading:
            self._apply(publication)
        elif len(self._early) < MAX_EARLY_PUBLICATIONS:
            self._early.append(publication)
        else:
            self._due.set()

    async def run(self) -> None:
        """Read the log whenever that is due, until cancelled or gone."""
        try:
            await self._keep_reading()
        except Exception as error:
            logger.error("tail of %s failed, its viewers are ended: %s", self.generation_id, where(error))
            self._end_gone()

    async def _keep_reading(self) -> None:
        backoff = Backoff()
        while not self.gone:
            try:
                async with asyncio.timeout(self._patience()):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            # Before the subscription stands, a gap could follow what is read, and nobody would announce it.
            if not self._subscribed or self.state is not None:
                continue
            try:
                await self._read()
                backoff.reset()
            except RedisError as error:
                self._forgotten_at = None  # what restores it needs Redis too
                pause = next(backoff)
                name = type(error).__name__
                logger.log(level(error), "reading %s: %s; again in %.2f s", self.generation_id, name, pause)
                await asyncio.sleep(pause)
                self._due.set()

    def _patience(self) -> float | None:
        if not self._subscribed or self.state is not None:
            return None
        if self._forgotten_at is not None:
            return RESTORATION_S / 10
        return min(QUEUE_POLL_S, self._check) if not self.frames.count else self._check

    async def _read(self) -> None:
        self._reading = True
        try:
            if self._rebuild or not await self._refill():
                await self._read_anew()
                self._rebuild = False
        finally:
            self._reading = False
            early, self._early = self._early, []
        for publication in early:
            self._apply(publication)
        self.loaded = True
        self._wake()
        if not self.frames.count and not self.gone:
            await self._look_at_line()
            self._wake()

    async def _refill(self) -> bool:
        """Read on from the last event; False where what we have is not what the log says."""
        while True:
            # The last event is read again: if it is not there, Redis came back older and an attempt began.
            entries = await self._log.read(self.generation_id, self.last.before)
            if self.last == ORIGIN:
                fresh = entries
            elif entries and entries[0].id == self.last:
                fresh = entries[1:]
                self._forgotten_at = None
            elif entries:
                return False
            else:
                return await self._behind()
            self._extend(fresh)
            if len(entries) < LOG_PAGE:
                return True

    async def _behind(self) -> bool:
        """The log ends before our last event: the worker will send the rest, or it went another way."""
        found = await self._generations.find(self.generation_id)
        if self._awaits_restoration(found.existence):
            return True
        record = found.record
        newest = await self._log.last(self.generation_id)
        if record is None or (record.seal is not None and newest is None):
            self._end_gone()
            return True
        return record.seal is None and (newest is None or self.position(newest.id) is not None)

    def _awaits_restoration(self, existence: Existence) -> bool:
        """Whether Redis came back without this generation and its worker has had no time yet to write it again."""
        now = self._loop.time()
        if existence is not Existence.NOTHING:
            self._forgotten_at = None
        elif self._forgotten_at is None:
            self._forgotten_at = now
        return self._forgotten_at is not None and now - self._forgotten_at < RESTORATION_S

    async def _read_anew(self) -> None:
        """Replace all we have by what the log says; who has seen more than both share starts over."""
        entries: list[Entry] = []
        while True:
            page = await self._log.read(self.generation_id, entries[-1].id if entries else ORIGIN)
            entries += page
            if len(page) < LOG_PAGE:
                break
        same = 0
        while same < len(entries) and self.position(entries[same].id) == same + 1:
            same += 1
        logger.warning("the log of %s is not as it was after event %d; read anew", self.generation_id, same)
        self.frames, self._starts, self.state = Frames(), {}, None
        self._token, self._seq = ORIGIN
        self._told = 0
        self.ended.clear()
        self._extend(entries)
        for follower in self.followers:
            if follower.position is not None and follower.position > same:
                follower.rewind()

    async def _look_at_line(self) -> None:
        found = await self._generations.find(self.generation_id)
        if found.record is None or found.record.seal is not None:
            # Sealed means that there were events: either written since we read, or lost.
            if found.record is not None and await self._log.last(self.generation_id) is not None:
                self._due.set()
            else:
                self._end_gone()
            return
        position = await self._generations.queue.position(self.generation_id)
        self.queued = sse_frames.queued(self.generation_id, position)

    def _apply(self, publication: Publication) -> None:
        previous, entries = publication
        if self.state is not None:
            return
        if previous != self.last:
            fresh = [entry for entry in entries if self.position(entry.id) is None]
            if not fresh:
                return
            if len(fresh) < len(entries):
                previous = fresh[0].id.before
            entries = fresh
        if previous == self.last:
            self._extend(entries)
            self._wake()
        else:
            # Ahead of us: a publication was lost. Behind: Redis came back older and another attempt writes.
            self._rebuild = self._rebuild or previous < self.last
            self._due.set()

    def _add_delta(self, data: bytes) -> None:
        """The common case of `_apply`, ten thousand times a second: one delta, where we are."""
        self.frames.append(sse_frames.EVENT_FRAME % (b"delta", data, self._id))
        self._seq += 1
        self._expect()
        self._wake()

    def _expect(self) -> None:
        """There is another newest event: it says which delta comes next, and to it pieces reach now."""
        self._id, self._next = next_delta(self._token, self._seq)
        self._drop_pieces()

    def _extend(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._token, self._seq = entry.id
            self._starts.setdefault(self._token, self.frames.count - self._seq)
            self.frames.append(sse_frames.frame(entry))
            if entry.type in TERMINAL_TYPES:
                self.state = cast(State, entry.type)
                self.ended.set()
        self._expect()

    def _end_gone(self) -> None:
        self.gone = True
        self.ended.set()
        self._due.set()
        self._wake()

    def _wake(self) -> None:
        """Tell the followers soon: what comes until then goes into the same write."""
        if self._round is not None:
            self._again = True
        elif self._tell is None and self.followers:
            wait = self._told_at + self._window - self._loop.time() if self._window else 0.0
            if wait > 0:
                self._tell = self._loop.call_later(wait, self._begin)
            else:
                self._tell = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._tell = None
        if self._window:
            self._told_at = self._loop.time()
        self._round = iter(tuple(self.followers))
        self._go_on()

    def _go_on(self) -> None:
        assert self._round is not None
        count = 0
        end, now = self.frames.count, self._loop.time()
        news = self._news
        if self.gone or self.state is not None:
            news = {}  # what ends a stream is more than a write
        elif self._told < end:
            # Most have had all of which they were told.
            piece, reached = self.frames.read(self._told)
            if reached == end:
                news[self._told] = sse_frames.chunk(piece)
        for follower in islice(self._round, VIEWERS_PER_ROUND):
            count += 1
            try:
                follower.take(news, end, now)
            except Exception as error:
                logger.error("a viewer failed and is cut: %s", where(error))
                follower.cut()
        if count == VIEWERS_PER_ROUND:
            self._loop.call_soon(self._go_on)
            return
        self._round = None
        self._told = end
        if self._again:
            self._again = False
            self._wake()
