"""Pages of ended logs, ready-made: read once for all who replay them at the same time."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from weakref import WeakValueDictionary

from api.viewing import sse_frames
from api.viewing.dialect import Dialect, Subject
from shared.log.entry import RawEntry, read_id
from shared.log.events import ORIGIN, TERMINAL_TYPES, EventId
from shared.log.guarded_log import LOG_PAGE, Log

MAX_PAGE_BYTES = 32_000_000
"""Most bytes of pages that are kept."""


class ReplayPage:
    """Consecutive events of one log, as frames of a dialect that has one for each and keeps nothing of those before."""

    def __init__(self, entries: Sequence[RawEntry], dialect: Dialect, generation_id: str = "") -> None:
        self._ids = [event_id for event_id, _ in entries]
        framer = dialect.framer(Subject(generation_id))
        self._frames = [b"".join(framer.frames(entry)) for entry in entries]
        self._pieces: dict[bool, list[sse_frames.Piece]] = {}
        self.size = sum(map(len, self._frames))
        self.last = read_id(self._ids[-1]) if entries else None
        """Id of its last event; None where it has none."""
        self.trimmed = bool(entries) and read_id(self._ids[0]).seq > 0
        """Whether its first event is not an attempt's first: of a log's first page, that its start was removed."""
        self.ended = bool(entries) and entries[-1][1][0].decode() in TERMINAL_TYPES
        """Whether its last event is the log's last."""

    def first_after(self, cursor: EventId) -> EventId | None:
        """Returns the id of its first event after the cursor; None where it has none."""
        start = bisect_right(self._ids, cursor, key=read_id)
        return read_id(self._ids[start]) if start < len(self._ids) else None

    def pieces(self, cursor: EventId, *, chunked: bool) -> list[sse_frames.Piece]:
        """Returns what comes after the cursor, piece by piece."""
        start = bisect_right(self._ids, cursor, key=read_id)
        if start:
            return sse_frames.join(self._frames[start:], chunked=chunked)
        if chunked not in self._pieces:
            self._pieces[chunked] = sse_frames.join(self._frames, chunked=chunked)
        return self._pieces[chunked]


class ReplayPages:
    """Reads pages; viewers that need the same page share it, wherever they began.

    As ids are dense, page n of an attempt begins with its event n * `count`, the events of a page (`Record.page`).
    """

    def __init__(self, log: Log, dialect: Dialect) -> None:
        self._log, self._dialect = log, dialect
        self.kept_s = 1.0
        """Seconds for which a page is kept for others: what is deleted is gone soon."""
        self._reading: dict[tuple[str, EventId], asyncio.Task[ReplayPage]] = {}
        # Also those that are too large to be kept: an image is not read again while some viewer is still being sent it.
        self._in_use: WeakValueDictionary[tuple[str, EventId], ReplayPage] = WeakValueDictionary()
        self._size = 0

    async def after(self, generation_id: str, cursor: EventId, count: int = LOG_PAGE) -> ReplayPage:
        """Returns the page that has what follows the cursor; an empty one where there is nothing.

        Raises redis.exceptions.RedisError.
        """
        # Who leaves must not take it from the others.
        page = await asyncio.shield(self.expect(generation_id, cursor, count))
        if page.last is not None and page.last <= cursor:
            # The log was trimmed, or it has a hole; then what follows is found without pages.
            entries = await self._log.read_raw(generation_id, cursor, count=count)
            page = ReplayPage(entries, self._dialect, generation_id)
        return page

    def expect(self, generation_id: str, cursor: EventId, count: int = LOG_PAGE) -> asyncio.Task[ReplayPage]:
        """Begins to read the page after a cursor, so that the next page is read while one is being sent."""
        first = ORIGIN if cursor == ORIGIN else EventId(cursor.token, (cursor.seq + 1) // count * count)
        reading = self._reading.get((generation_id, first))
        if reading is None:
            reading = self._reading[generation_id, first] = asyncio.create_task(self._read(generation_id, first, count))
            # Where nobody waits any more, nobody asks for the error.
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return reading

    async def _read(self, generation_id: str, first: EventId, count: int) -> ReplayPage:
        kept = 0.0
        try:
            page = self._in_use.get((generation_id, first))
            if page is None:
                entries = await self._log.read_raw(generation_id, first.before, count=count)
                page = ReplayPage(entries, self._dialect, generation_id)
                self._in_use[generation_id, first] = page
            kept = self.kept_s if self._size + page.size <= MAX_PAGE_BYTES else 0.0
        finally:
            if not kept:
                del self._reading[generation_id, first]
        if kept:
            self._size += page.size
            asyncio.get_running_loop().call_later(kept, self._forget, generation_id, first, page.size)
        return page

    def _forget(self, generation_id: str, first: EventId, size: int) -> None:
        del self._reading[generation_id, first]
        self._size -= size
