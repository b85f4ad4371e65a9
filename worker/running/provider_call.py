"""One attempt's provider call: tried again before its first event, watched at each, bounded in all."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Self

from msgspec import UNSET

from shared.backoff import Backoff
from shared.config.settings import Settings
from shared.log.events import Completed, Delta, Failed, Part, Raw, Response, UsageReport, encode
from shared.log.snapshots import Snapshot
from shared.tracing.tracing import CallSpan
from worker.providers.provider import Provider, ProviderError, ProviderEvent
from worker.providers.watchdog import SilenceLimits, Watchdog, silence_limits
from worker.requests.kept_request import KeptRequest
from worker.running.call_step import CallStep, no_call
from worker.writing.observer import Observer
from worker.writing.writer import MAX_UNSENT_EVENTS, LogFullError, Writer

logger = logging.getLogger("midstream.worker")

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 60.0
"""Seconds before the first retry, and before any at most; doubled at each, half of it random."""

LONGEST_RETRY_AFTER_S = 1e9
"""Seconds of a `Retry-After` that are told at most: a date may be millennia away."""


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """What is asked of which provider; with `so_far`, what follows it."""

    provider: Provider
    kept: KeptRequest
    model: str
    so_far: Snapshot | None = None
    longest_retry_after_s: float = math.inf
    """Seconds that a `Retry-After` may ask for; a longer one ends the attempt, as there is another model to ask."""
    observer: Observer = field(default_factory=Observer)
    begin: Callable[[], CallSpan] = no_call
    """Begins a step of the trace for each try."""
    place: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Returns the block in which the provider may be called: entering it may have to wait."""

    async def from_there(self, response: Response | None) -> Self:
        """Returns the call for the rest of an answer whose id alone has come, where it outlives its connection."""
        if self.so_far is not None or response is None or response.response_id is UNSET:
            return self
        begun = Snapshot()
        begun.response_id = response.response_id
        begun.sequence_number = None if response.sequence_number is UNSET else response.sequence_number
        goes_on = self.provider.continues(await self.kept.request(), self.model, begun)
        return replace(self, so_far=begun) if goes_on else self


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: with this terminal event, which is the caller's to write."""

    event: Completed | Failed
    over: bool = False
    """The answer has failed, and not only the connection to it: it has no more to say."""


async def stream(call: ProviderCall, writer: Writer, settings: Settings, *, seconds: float) -> CallEnd:
    """Writes what the provider says, until that ends. `seconds` is what is left of the generation's deadline."""
    try:
        async with asyncio.timeout(seconds):
            return CallEnd(await _with_retries(call, writer, settings))
    except TimeoutError:
        return CallEnd(
            Failed(code="deadline_exceeded", message="The generation took longer than its deadline.", retryable=False)
        )
    except LogFullError:
        return CallEnd(
            Failed(
                code="too_long",
                message=f"The answer is longer than {settings.max_log} bytes (max_log).",
                retryable=False,
            )
        )
    except ProviderError as error:
        return CallEnd(_failed(error), error.over)


def _failed(error: ProviderError) -> Failed:
    """Returns the event of an error that no further try has healed."""
    failed = Failed(code=error.code, message=error.message, retryable=error.retryable)
    if error.status is not None:
        failed.status = error.status
    if error.retry_after is not None:
        failed.retry_after_ms = round(min(error.retry_after, LONGEST_RETRY_AFTER_S) * 1000)
    return failed


async def _with_retries(call: ProviderCall, writer: Writer, settings: Settings) -> Completed:
    first, backoff = call, Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
    for retry in range(settings.retries + 1):
        try:
            async with call.place():
                with CallStep(call.begin, writer) as step:
                    return step.completed(await _make(call, writer, _silence_limits(call, settings), step.span))
        except ProviderError as error:
            call.observer.provider_failed(call.provider.name, error.code)
            again = await _next(first, call, writer, error)
            if again is None or writer.said_something or retry == settings.retries:
                raise
            delay = next(backoff)
            if error.retry_after is not None:
                if error.retry_after > call.longest_retry_after_s:
                    raise
                delay = min(max(delay, error.retry_after), settings.retry_after)
            logger.info("%s: %s before the first event, retry in %.1f s", writer.generation_id, error.code, delay)
        await asyncio.sleep(delay)
        call = again
    raise AssertionError("the last retry returns or raises")


def _silence_limits(call: ProviderCall, settings: Settings) -> SilenceLimits:
    assert call.kept.head is not None, "a call is made of a request that was read"
    return silence_limits(call.kept.head.idle_timeout, call.provider.idle_timeout, settings)


async def _next(first: ProviderCall, call: ProviderCall, writer: Writer, error: ProviderError) -> ProviderCall | None:
    """Returns the call to make after one that failed before it said anything; None where none may help."""
    if error.retryable and not error.over:
        if writer.said_something:
            return None
        return await first.from_there(writer.response) if call is first else call
    if call is first and (first.so_far is not None or not error.retryable):
        return None
    if writer.response is not None and writer.response.response_id is not UNSET:
        assert first.kept.head is not None
        await first.provider.cancel(first.kept.head, writer.response.response_id)
        writer.response = None
    return first


async def _make(call: ProviderCall, writer: Writer, limits: SilenceLimits, span: CallSpan) -> Completed:
    watchdog = Watchdog(limits)
    completed: Completed | None = None
    begun = Begun(writer)
    pace = Pace(call.observer)
    try:
        # Entered outside of the stream: it is this task that is cancelled, and with it the provider's connection.
        answer = call.provider.stream(await call.kept.request(), call.model, call.so_far)
        async with watchdog.timeout, aclosing(answer) as pieces:
            async for events in pieces:
                pace.heard(events, watchdog.heard(events))
                if events:
                    span.heard()
                for event in events:
                    if isinstance(event, Completed):
                        completed = event  # the body is read to its end, so that its connection can be used again
                    else:
                        begun.put(event)
                if begun.said and call.kept.heavy:
                    watchdog.rest()  # it is this worker that is slow
                    await call.kept.answered()
                    watchdog.wake()
                if writer.behind > MAX_UNSENT_EVENTS:
                    watchdog.rest()  # it is the log that is slow now
                    await writer.caught_up(within=MAX_UNSENT_EVENTS)
                    watchdog.wake()
    except TimeoutError:
        if watchdog.timeout.expired():
            raise ProviderError(
                "provider_timeout", f"{call.provider.name} {watchdog.verdict}.", retryable=True
            ) from None
        raise
    if completed is not None:
        begun.flush()
        return completed
    raise ProviderError("incomplete_stream", f"{call.provider.name} ended without an end.", retryable=True)


class Pace:
    """Tells the observer how long after each other the pieces of an answer come; what comes together is one."""

    __slots__ = ("_last", "_observer")

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._last: float | None = None

    def heard(self, events: Sequence[ProviderEvent], now: float) -> None:
        """Notes what came `now`."""
        for event in events:
            if isinstance(event, Delta):
                if self._last is not None:
                    self._observer.piece(now - self._last)
                self._last = now
                return


class Begun:
    """Holds back what an answer begins with, until it has said something.

    Until then the call may be made again, and what it begins with would come twice.
    """

    def __init__(self, writer: Writer) -> None:
        self.said = writer.said_something
        self._writer = writer
        self._held: list[ProviderEvent] = []
        self._size = 0

    def put(self, event: ProviderEvent) -> None:
        """Writes an event, or holds it back until the answer has said something. Raises LogFullError."""
        if self.said or isinstance(event, Response | UsageReport):
            self._writer.put(event)
            return
        self._held.append(event)
        if not isinstance(event, Part | Raw):
            self.flush()
        elif (size := len(encode(event))) + self._size > self._writer.max_log:
            raise LogFullError
        else:
            self._size += size

    def flush(self) -> None:
        """Writes what was held back: the answer has said something."""
        self.said = True
        for event in self._held:
            self._writer.put(event)
        self._held.clear()
