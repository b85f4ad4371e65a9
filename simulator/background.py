"""Responses whose run goes on without a connection (OpenAI's guide "Background mode")."""

import asyncio
from collections import OrderedDict
from typing import Final

from simulator.answer import Answer
from simulator.connection import Connection
from simulator.faults import Fault
from simulator.journal import JournalEntry
from simulator.pace import Pace
from simulator.request import Request, RequestRefusedError
from simulator.responses_writer import ResponsesWriter
from simulator.script import Script

MAX_RESPONSES: Final = 1000
MAX_BYTES: Final = 256 * 1024 * 1024
EVENT_OVERHEAD: Final = 100
"""Bytes that an event needs beside its own: its object, its place in the lists."""


class StorageFullError(Exception):
    """There is no room for more events, and nothing that has ended could be dropped."""


class BackgroundRun:
    """One background response: its events, made at its own pace and kept for whoever asks."""

    def __init__(
        self,
        responses: "Responses",
        request: Request,
        script: Script,
        answer: Answer,
        fault: Fault | None,
        entry: JournalEntry,
    ) -> None:
        """`fault` ends the run itself; `entry` is told how many deltas were made."""
        self.script = script
        self.streamed = request.stream
        self.writer = ResponsesWriter(request, answer)
        self.total = len(answer.deltas)
        self.events: list[bytes] = []
        self.said: list[int] = []
        """How many events there were once delta n had been said."""
        self.ended = False
        self.size = 0
        """Bytes of all events."""
        self.followers: set[Connection] = set()
        self._before: int | None = None
        self._responses = responses
        self._fault = fault
        self._entry = entry
        self._pace = Pace(script.rate, script.ttft)
        self._keep(self.writer.opening())
        entry.response_id, entry.generated = self.writer.id, 0
        self._task = asyncio.get_running_loop().create_task(self._go())

    def before(self, delta: int) -> int | None:
        """How many events stand before those of `delta`; None until that is known."""
        if delta == 0:
            return self._before
        return self.said[delta - 1] if delta <= len(self.said) else None

    async def _go(self) -> None:
        try:
            await self._speak()
        except StorageFullError:
            # What was not kept has no number.
            self.writer.sequence = len(self.events)
        finally:
            if not self.ended:
                self._end(_split(self.writer.error()))

    async def _speak(self) -> None:
        await asyncio.sleep(self._pace.delay(0))
        self._keep(self.writer.begin())
        self._before = len(self.events)
        stop = self.total if self._fault is None else self._fault.position(self.total)
        while (made := len(self.said)) < stop:
            due = min(self._pace.due(made), stop)
            if due == made:
                await asyncio.sleep(self._pace.delay(made))
                continue
            for n in range(made, due):
                self._keep(self.writer.deltas(n, n + 1))
                self.said.append(len(self.events))
                self._entry.generated = n + 1
            await asyncio.sleep(0)
        if self._fault is None:
            self._keep(self.writer.closing())
            self._end([])
        elif stop < self.total:
            await asyncio.sleep(self._pace.delay(stop))

    def _keep(self, events: bytes) -> None:
        """Raises `StorageFullError`."""
        new = _split(events)
        if not self._responses.has_room(_size(new)):
            raise StorageFullError
        self._add(new)

    def _add(self, events: list[bytes]) -> None:
        self.events += events
        self.size += _size(events)
        self._responses.size += _size(events)
        for connection in self.followers:
            connection.wake()

    def _end(self, events: list[bytes]) -> None:
        self.ended = True
        self._add(events)
        self._responses.keep_ended(self)

    def cancel(self) -> None:
        """End it as cancelled. Only for one that has not ended."""
        self._task.cancel()
        self._end(_split(self.writer.cancelled()))

    def abort(self) -> None:
        """Stop without an end: the process stops."""
        self._task.cancel()


def _split(events: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in events.split(b"\n\n")[:-1]]


def _size(events: list[bytes]) -> int:
    return sum(map(len, events)) + EVENT_OVERHEAD * len(events)


class Responses:
    """The background responses that are kept. Of those that have ended, the one that ended first goes first."""

    def __init__(self, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self.size = 0
        """Bytes of all events of all responses."""
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._running: dict[str, BackgroundRun] = {}
        self._ended: OrderedDict[str, BackgroundRun] = OrderedDict()

    def start(
        self, request: Request, script: Script, answer: Answer, fault: Fault | None, entry: JournalEntry
    ) -> BackgroundRun:
        """Begin a response. Raises `RequestRefusedError` (429) where as many as may be kept are running."""
        while len(self._running) + len(self._ended) >= self._max_responses and self._drop():
            pass
        if len(self._running) >= self._max_responses:
            raise RequestRefusedError(
                429, f"{len(self._running)} background responses are running. Please try again later."
            )
        try:
            run = BackgroundRun(self, request, script, answer, fault, entry)
        except StorageFullError:
            raise RequestRefusedError(429, "There is no room for another background response.") from None
        self._running[run.writer.id] = run
        return run

    def get(self, id: str) -> BackgroundRun:
        """Raises `RequestRefusedError` (404)."""
        run = self._running.get(id) or self._ended.get(id)
        if run is None:
            raise RequestRefusedError(404, f"Response with id '{id}' not found.", param="response_id")
        return run

    def delete(self, id: str) -> None:
        """Forget one that has ended."""
        self.size -= self._ended.pop(id).size

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes fit; drops what has ended as far as needed."""
        while self.size + size > self._max_bytes:
            if not self._drop():
                return False
        return True

    def _drop(self) -> bool:
        if not self._ended:
            return False
        _, run = self._ended.popitem(last=False)
        self.size -= run.size
        return True

    def keep_ended(self, run: BackgroundRun) -> None:
        self._running.pop(run.writer.id, None)
        self._ended[run.writer.id] = run

    def abort(self) -> None:
        """Stop all runs, as the end of a provider's process would."""
        for run in self._running.values():
            run.abort()
