"""Answering one accepted request: the deltas at their pace, and the fault where it strikes."""

import asyncio
from typing import Final

from simulator.answer import Answer
from simulator.connection import Connection
from simulator.faults import Fault
from simulator.journal import How, JournalEntry, now_us
from simulator.pace import Pace
from simulator.reply import JSON
from simulator.strike import strike, strike_document
from simulator.wire import Headers, WireWriter

EVENT_STREAM: Final = [(b"content-type", b"text/event-stream; charset=utf-8")]


class Stream:
    """One answer on its way to one client; writes the journal's entry as it goes."""

    def __init__(
        self,
        connection: Connection,
        writer: WireWriter,
        answer: Answer,
        pace: Pace,
        fault: Fault | None,
        entry: JournalEntry,
        content_type: Headers | None = None,
        afterwards: Fault | None = None,
    ) -> None:
        """`content_type` is in place of the usual header; `afterwards` follows a whole stream in place of its end."""
        self._content_type = content_type
        self._afterwards = afterwards
        self._connection = connection
        self._writer = writer
        self._pace = pace
        self._fault = fault
        self._entry = entry
        self._written = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._total = len(answer.deltas)
        self._stop = self._total if fault is None else fault.position(self._total)

    async def events(self) -> How:
        """Answer with server-sent events."""
        connection, writer = self._connection, self._writer
        await connection.start(200, [*self._headers(EVENT_STREAM), *writer.headers])
        await connection.write(writer.opening())
        await self._pour()
        if connection.left:
            return "client_left"
        if self._fault is not None:
            return await strike(connection, writer, self._fault, self._next_event)
        if self._afterwards is not None:
            await connection.write(writer.closing())
            return await strike(connection, writer, self._afterwards, bytes)
        await connection.finish(writer.closing())
        return "complete"

    def _headers(self, usual: Headers) -> Headers:
        return usual if self._content_type is None else self._content_type

    async def _pour(self) -> None:
        """Write the deltas before the fault, or all; return early when the client leaves."""
        connection, pace = self._connection, self._pace
        while self._written < self._stop and not connection.left:
            due = min(pace.due(self._written), self._stop)
            if due > self._written:
                await connection.write(self._take(due))
                # Behind, or without a limit: the other connections have their turn first.
                await asyncio.sleep(0)
            else:
                self._arm()
                await connection.wait()
                self._disarm()
        if self._fault is not None:
            await self._wait_until_due(self._stop)

    def _take(self, due: int) -> bytes:
        events = self._writer.deltas(self._written, due)
        if self._written == 0:
            self._entry.first_write_us = now_us()
        self._written = self._entry.deltas = due
        return events

    def _arm(self) -> None:
        self._timer = self._loop.call_later(self._pace.delay(self._written), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        """Write what is due and sleep again, without waking the task: half the cost of a delta on time."""
        due = min(self._pace.due(self._written), self._stop)
        if due > self._written and self._connection.writable:
            self._connection.put(self._take(due))
            due = self._written
        if self._written < self._stop and due == self._written:
            self._arm()
        else:
            self._connection.wake()

    async def _wait_until_due(self, delta: int) -> None:
        while delta < self._total and self._pace.due(delta) == delta and not self._connection.left:
            await self._connection.wait(self._pace.delay(delta))

    def _next_event(self) -> bytes:
        if self._stop < self._total:
            return self._writer.deltas(self._stop, self._stop + 1)
        return self._writer.closing()

    async def document(self) -> How:
        """Answer with one JSON document, when its last delta would have been due."""
        connection, fault = self._connection, self._fault
        if self._stop:
            await self._wait_until_due(self._stop - 1)
        if connection.left:
            return "client_left"
        if fault is not None:
            return await strike_document(connection, self._writer, fault, self._writer.whole)
        whole = self._writer.whole()
        length = (b"content-length", str(len(whole)).encode())
        await connection.start(200, [*self._headers(JSON), length, *self._writer.headers])
        self._entry.first_write_us = now_us()
        await connection.finish(whole)
        self._entry.deltas = self._total
        return "complete"
