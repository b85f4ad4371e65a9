"""A connection that carries a background response's events: the kept ones at once, then those to come."""

import asyncio
from bisect import bisect_right
from typing import Final

from simulator.background import BackgroundRun
from simulator.connection import Connection
from simulator.faults import Fault
from simulator.journal import How, JournalEntry, now_us
from simulator.stream import EVENT_STREAM
from simulator.strike import strike
from simulator.wire import Headers

MAX_BATCH: Final = 64


class Follower:
    """The fault hits this connection and counts the deltas that it carries; the run never notices."""

    def __init__(
        self, connection: Connection, run: BackgroundRun, after: int, fault: Fault | None, entry: JournalEntry
    ) -> None:
        """`after` is the number of the last event that the client has, -1 without."""
        self._connection = connection
        self._run = run
        self._fault = fault
        self._entry = entry
        self._at = after + 1
        self._first = bisect_right(run.said, self._at)
        self._last = self._first + fault.position(run.total - self._first) if fault else run.total

    async def events(self, headers: Headers) -> How:
        """Answer with server-sent events."""
        connection, run = self._connection, self._run
        await connection.start(200, [*EVENT_STREAM, *headers])
        run.followers.add(connection)
        try:
            struck = await self._pour()
        finally:
            run.followers.discard(connection)
        if connection.left:
            return "client_left"
        if struck and self._fault is not None:
            return await strike(connection, run.writer, self._fault, self._rest)
        await connection.finish()
        return "complete"

    async def _pour(self) -> bool:
        """Write until the end, or until the fault strikes: that is the answer."""
        connection, run = self._connection, self._run
        while not connection.left:
            stop = min(self._stop(), self._at + MAX_BATCH)
            if self._at < stop:
                events = b"".join(run.events[self._at : stop])
                self._at = stop
                self._note()
                await connection.write(events)
                # The other connections have their turn first.
                await asyncio.sleep(0)
            elif self._strikes():
                return True
            elif run.ended:
                return False
            else:
                await connection.wait()
        return False

    def _stop(self) -> int:
        """How many events may be written by now."""
        written = len(self._run.events)
        if self._fault is None:
            return written
        before = self._run.before(self._last)
        return written if before is None else before

    def _strikes(self) -> bool:
        """Whether the delta before which the fault strikes, or the end after the last one, is there."""
        if self._fault is None or self._run.before(self._last) is None:
            return False
        return len(self._run.said) > self._last or (self._last == self._run.total and self._run.ended)

    def _note(self) -> None:
        carried = bisect_right(self._run.said, self._at) - self._first
        if carried and not self._entry.deltas:
            self._entry.first_write_us = now_us()
        self._entry.deltas = carried

    def _rest(self) -> bytes:
        said = self._run.said
        stop = said[self._last] if self._last < len(said) else len(self._run.events)
        return b"".join(self._run.events[self._at : stop])
