"""A source: the generation whose answer others copy, which may still be running."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.errors import MidstreamError
from shared.generations.generations import Generations
from shared.log.attempt_model import bare_name
from shared.log.entry import Entry
from shared.log.events import ORIGIN, TERMINAL_TYPES, Attempt, Completed, EventId, decode
from shared.log.guarded_log import Log
from shared.record import Record
from worker.cache.log_notifier import LogNotifier

_SAYS = frozenset({"delta", "annotation", "part_end"})


class SourceLostError(MidstreamError):
    """The source comes to no answer, or to none that will do."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Beginning:
    """The attempt with which the answer that stands begins: its first event, and whom it asked."""

    at: EventId
    provider: str
    model: str
    """The model as that provider knows it."""


class Source:
    """Reads another generation's log, and never writes to it."""

    quiet_s = 1.0
    """Seconds without a change after which the log is read, and the record looked at, all the same."""
    in_line_s = 1.5 * quiet_s
    """Seconds in line after which a source is given up: a worker with room has long taken what became visible."""

    def __init__(
        self, generation_id: str, owner: str, log: Log, generations: Generations, notifier: LogNotifier
    ) -> None:
        self.id = generation_id
        self.log = log
        self._owner = owner
        self._generations = generations
        self._notifier = notifier
        self._at_end = False
        """Whether nothing followed in the log what was read last."""

    async def pages(self, after: EventId = ORIGIN) -> AsyncGenerator[list[Entry], None]:
        """Yields the log after an event, as it grows, up to its terminal event.

        Raises SourceLostError where it comes to none. It waits for a Redis that is away: the caller has a watchdog.
        """
        backoff = Backoff()
        sealed = False
        count = 0
        in_line_since: float | None = None
        with self._notifier.of(self.id) as changed:
            while True:
                changed.clear()
                try:
                    count = count or await self.log.page(self.id)
                    page = await self.log.read(self.id, after, count=count)
                    if not page:
                        if sealed:
                            raise SourceLostError  # it has expired since
                        sealed = await self._is_sealed()
                        in_line_since = None if sealed else await self._in_line(in_line_since)
                except RedisError:
                    await backoff.wait()
                    continue
                backoff.reset()
                self._at_end = len(page) < count
                if page:
                    in_line_since = None
                    yield page
                    after = page[-1].id
                    if page[-1].type in TERMINAL_TYPES:
                        return
                if not self._at_end:
                    count = 0  # more may be large by now
                elif not sealed:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self.quiet_s):
                            await changed.wait()

    async def _is_sealed(self) -> bool:
        record = (await self._generations.find(self.id)).record
        if record is None:
            raise SourceLostError
        return record.seal is not None

    async def _in_line(self, since: float | None) -> float | None:
        """Returns since when (time.monotonic) it has been in line; None where a worker has it, or it has ended.

        Raises SourceLostError after `in_line_s`: the generation that waits here may hold the very place that the source
        needs.
        """
        now = time.monotonic()
        if await self._generations.queue.position(self.id) is None:
            return None
        if since is not None and now - since >= self.in_line_s:
            raise SourceLostError
        return now if since is None else since

    async def beginning(self, *, idle: float, seconds: float, will_do: Callable[[Completed], bool]) -> Beginning:
        """Returns where the answer begins, once some of it is there.

        Raises SourceLostError where the source was completed in a way that will not do, does not grow for `idle` s, or
        nothing to copy for `seconds` in all; redis.exceptions.RedisError where Redis cannot be asked.
        """
        loop = asyncio.get_running_loop()
        found: Beginning | None = None
        says = False
        with suppress(TimeoutError, ValueError):
            async with asyncio.timeout(seconds), asyncio.timeout(idle) as watchdog, aclosing(self.pages()) as pages:
                async for page in pages:
                    watchdog.reschedule(loop.time() + idle)
                    for entry in page:
                        if entry.type == Attempt.type:
                            attempt = decode(*entry[1:])
                            assert isinstance(attempt, Attempt)
                            if attempt.cached is True:
                                found = None  # a copy of what came to nothing: its own answer begins after it
                            elif not attempt.continues:
                                model = bare_name(attempt.provider, attempt.model)
                                found, says = Beginning(entry.id, attempt.provider, model), False
                        says = says or entry.type in _SAYS
                    newest = page[-1].type
                    if newest == "completed" and not will_do(_completed(page[-1])):
                        raise SourceLostError
                    if found and (newest == "completed" or (says and self._at_end and newest not in TERMINAL_TYPES)):
                        return found
        raise SourceLostError

    async def record(self, ttl: float) -> Record:
        """Returns the source's record.

        Raises SourceLostError where it will not do, or was completed `ttl` seconds ago; redis.exceptions.RedisError.
        """
        found = await self._generations.find(self.id)
        record = found.record
        # The owner is part of what leads here, and yet: nobody reads what is not theirs.
        if record is None or record.owner != self._owner or record.cancel_requested:
            raise SourceLostError
        is_old = record.ended_ms is not None and found.now_ms - record.ended_ms >= ttl * 1000
        if is_old or record.state in ("failed", "cancelled"):
            raise SourceLostError
        return record


def _completed(entry: Entry) -> Completed:
    event = decode(*entry[1:])
    assert isinstance(event, Completed)
    return event
