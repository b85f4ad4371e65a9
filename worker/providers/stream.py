"""From an open response to events: what the protocols have in common.

The SDKs build the request, authenticate and send it. Their typed streams are not used: they take a clean end
for a complete answer, leak transport errors, and cost several times as much a chunk (bench/providers.py).
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any

import httpx2
from msgspec import UNSET, UnsetType

from shared.errors import EventTooLargeError
from worker.providers.answer_decoder import AnswerDecoder
from worker.providers.answer_reading import AnswerReader, bound, read_end, read_event
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.error_layers import body_of
from worker.providers.errors import TRANSPORT_ERRORS, from_status, from_transport, problem
from worker.providers.provider import Pause, ProviderError, ProviderEvent, adds
from worker.providers.transport import BODY_EXTENSION, Body

_DRAIN_SECONDS = 0.1
_MAX_REQUEST_ID = 256


async def follow(
    name: str,
    send: Callable[[], Awaitable[httpx2.Response]],
    reader: AnswerReader,
    times: CallTimes = CALL_TIMES,
    *,
    reword: Callable[[list[ProviderEvent]], None] | None = None,
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Sends the request and yields the answer's events: one list for what arrived together, empty for a sign of life.

    A clean end, `after_finish_s` of silence and, where it is certain, a broken connection complete an answer whose
    finish reason has come. `reword` says the events in other words before they are seen.

    Raises ProviderError, always outside the handler of what caused it: the SDKs' errors quote the provider's
    text, which must not reach a log as a traceback's first half.
    """
    async with AsyncExitStack() as stack:
        response = await _open(name, send)
        del send  # with it goes the request
        stack.push_async_callback(response.aclose)
        reader.request_id = _request_id(response.headers)
        body = response.extensions.get(BODY_EXTENSION)
        if isinstance(body, Body) and "content-encoding" not in response.headers:
            body.unwatch()
            read: Callable[[], Awaitable[bytes]] = body.read
        else:
            read = partial(anext, await stack.enter_async_context(aclosing(response.aiter_bytes())), b"")
        decoder = AnswerDecoder()
        waits_until: float | None = None
        said = False
        while not reader.ended:
            events: list[ProviderEvent] = []
            failure: ProviderError | None = None
            piece: bytes | None = None
            try:
                piece = await (read() if waits_until is None else _read_until(waits_until, read))
                if piece:
                    for event in decoder.feed(piece):
                        read_event(name, reader, event, events)
                else:
                    read_end(name, reader, decoder, events, silent=piece is None)
            except ProviderError as error:
                failure = error.with_traceback(None)  # the reader's frames, which may refer to it
            except TRANSPORT_ERRORS as error:
                failure = _broken(from_transport(name, error), reader, events, said=said)
            except EventTooLargeError:
                failure = problem(name, "invalid_response", "an event is too large")
            if events or (piece and failure is None):
                bound(events)
                if reword is not None:
                    reword(events)
                # Also before a failure: how the network cuts the stream must not decide what of it is seen.
                yield events
            if failure is not None:
                try:
                    raise failure
                finally:
                    # It refers to this frame, and this frame must not refer to it: all that was read would stay.
                    del failure
            said = said or adds(events)
            if not reader.finish_reason.is_end(said=said):
                waits_until = None
            elif not reader.ended and (waits_until is None or adds(events)):
                waits_until = asyncio.get_running_loop().time() + times.after_finish_s
                yield Pause(times.after_finish_s + 1)
        await _drain(read)


async def _read_until(when: float, read: Callable[[], Awaitable[bytes]]) -> bytes | None:
    """Returns what comes by then (the loop's clock); None where nothing does."""
    try:
        async with asyncio.timeout_at(when):
            return await read()
    except TimeoutError:
        return None


def _broken(
    failure: ProviderError, reader: AnswerReader, events: list[ProviderEvent], *, said: bool
) -> ProviderError | None:
    """Returns the failure of a broken connection; None where the whole answer had come."""
    if not (reader.finish_reason.certain and reader.finish_reason.is_end(said=said)):
        return failure
    try:
        reader.finish(b"", events)
    except ProviderError as error:
        return error
    return None


async def _open(name: str, send: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    try:
        response = await send()
    except _errors("APIStatusError") as error:
        failure = from_status(name, error.status_code, error.response.headers, body_of(error.response.content))
    except _errors("APIConnectionError") as error:
        failure = _unsent(name, error.__cause__)
    except (*TRANSPORT_ERRORS, UnicodeEncodeError) as error:
        failure = _unsent(name, error)
    else:
        return response
    try:
        raise failure
    finally:
        del failure  # see `follow`


def _errors(name: str) -> tuple[Any, ...]:
    """Returns the SDKs' errors of this name; those of an SDK that no adapter has loaded cannot be raised."""
    return tuple(getattr(sys.modules[sdk], name) for sdk in ("openai", "anthropic") if sdk in sys.modules)


def _request_id(headers: httpx2.Headers) -> str | UnsetType:
    """Returns the request's id from OpenAI's header, which most have, else from Anthropic's.

    Returns UNSET where there is none, or it is too long to be one.
    """
    value = headers.get("x-request-id") or headers.get("request-id") or UNSET
    return value if value is UNSET or len(value) <= _MAX_REQUEST_ID else UNSET


def _unsent(name: str, error: BaseException | None) -> ProviderError:
    if isinstance(error, UnicodeEncodeError | httpx2.LocalProtocolError):
        detail = "the API key or the request has characters that cannot be sent"
        return problem(name, "bad_request", detail)
    return from_transport(name, error)


async def _drain(read: Callable[[], Awaitable[bytes]]) -> None:
    """Reads to the end of the body, so that the connection can serve the next request."""
    with contextlib.suppress(TimeoutError, *TRANSPORT_ERRORS):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await read():
                pass
