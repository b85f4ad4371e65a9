"""One attempt's provider call: tried again before its first event, watched at each, bounded in all."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import aclosing

from shared.events import Completed, Failed, Part, Raw, Response, UsageReport
from shared.requests import GenerationRequest
from shared.settings import Settings
from worker.providers.provider import Provider, ProviderError, ProviderEvent
from worker.writer import ROOM, LogFull, Writer

logger = logging.getLogger("midstream.worker")

FIRST_DELAY = 0.5
"""Seconds before the first retry; doubled at each, half of it random."""


async def stream(
    provider: Provider,
    request: GenerationRequest,
    model: str,
    writer: Writer,
    settings: Settings,
    *,
    seconds: float,
) -> Completed | Failed:
    """What the provider says, into the writer; gives the terminal event, which is the caller's to write.

    `seconds` is what is left of the generation's deadline. A failure whose `retryable` is set may be followed by
    another attempt.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _with_retries(provider, request, model, writer, settings)
    except TimeoutError:
        return Failed(
            code="deadline_exceeded", message="The generation took longer than its deadline.", retryable=False
        )  # fmt: skip
    except LogFull:
        return Failed(
            code="too_long", message=f"The answer is longer than {settings.max_log} bytes (max_log).", retryable=False
        )  # fmt: skip
    except ProviderError as error:
        return Failed(code=error.code, message=error.message, retryable=error.retryable)


async def _with_retries(
    provider: Provider, request: GenerationRequest, model: str, writer: Writer, settings: Settings
) -> Completed:
    idle = request.idle_timeout or settings.idle_timeout
    for retry in range(settings.retries + 1):
        try:
            return await _call(provider, request, model, writer, idle)
        except ProviderError as error:
            if writer.said_something or not error.retryable or retry == settings.retries:
                raise
            delay = FIRST_DELAY * 2**retry * random.uniform(0.5, 1.0)
            if error.retry_after is not None:
                delay = min(max(delay, error.retry_after), settings.retry_after)
            logger.info("%s: %s before the first event, retry in %.1f s", writer.generation_id, error.code, delay)
        await asyncio.sleep(delay)
    raise AssertionError("the last retry returns or raises")


async def _call(provider: Provider, request: GenerationRequest, model: str, writer: Writer, idle: float) -> Completed:
    loop = asyncio.get_running_loop()
    watchdog = asyncio.timeout(idle)
    completed: Completed | None = None
    # Until it has said something the call may be made again, and what only begins would then have begun twice.
    begun: list[ProviderEvent] = []
    try:
        # Entered outside of the stream: it is this task that is cancelled, and with it the provider's connection.
        async with watchdog, aclosing(provider.stream(request, model)) as pieces:
            async for events in pieces:
                watchdog.reschedule(loop.time() + idle)
                for event in events:
                    if isinstance(event, Completed):
                        completed = event  # the body is read to its end, so that its connection can be used again
                    else:
                        _put(writer, event, begun)
                if writer.behind > ROOM:
                    watchdog.reschedule(None)  # it is the log that is slow now
                    await writer.caught_up(within=ROOM)
                    watchdog.reschedule(loop.time() + idle)
    except TimeoutError:
        if watchdog.expired():
            raise ProviderError(
                "provider_timeout", f"{provider.name} sent no event for {idle:g} s.", retryable=True
            ) from None
        raise
    if completed is not None:
        for event in begun:
            writer.put(event)
        return completed
    raise ProviderError("incomplete_stream", f"{provider.name} ended without an end.", retryable=True)


def _put(writer: Writer, event: ProviderEvent, begun: list[ProviderEvent]) -> None:
    if isinstance(event, Response | UsageReport):
        writer.put(event)
        return
    begun.append(event)
    if writer.said_something or not isinstance(event, Part | Raw):
        for held in begun:
            writer.put(held)
        begun.clear()
