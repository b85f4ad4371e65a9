"""From an open response to events: what the protocols have in common.

The SDKs build the request, authenticate and send it. Their typed streams are not used: they take a clean end
for a complete answer, leak transport errors, and cost several times as much a chunk (bench/providers.py).
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any, Protocol, TypeVar

import httpx2
import msgspec
from msgspec import UNSET, UnsetType

from shared.errors import EventTooLargeError
from shared.log.events import Annotation, Completed, Raw, UsageReport
from shared.request.generation_request import MAX_DEPTH
from shared.request.nesting import shallow
from shared.sse_decoder import ServerSentEvent, SseDecoder
from shared.strict_json import cut, nests_deeper
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.error_layers import body_of
from worker.providers.errors import TRANSPORT_ERRORS, from_status, from_transport, problem
from worker.providers.finish_reasons import Finish, is_done
from worker.providers.provider import Pause, ProviderError, ProviderEvent, adds
from worker.providers.transport import BODY_EXTENSION, Body

KEEP_ALIVES = frozenset({"ping", "keepalive", "keep-alive", "heartbeat"})
"""Names of events, or all that is in them, that say only that somebody is there."""

MAX_JSON_LEVELS = 256
"""Levels of JSON in one event; what lies deeper is null. No provider has a tenth of it, and Python reads a thousand."""

MAX_REASON_CHARS = 256
"""Characters of a finish reason in the provider's words; the longest that is known has 29."""

_DRAIN_SECONDS = 0.1
_MAX_REQUEST_ID = 256

T = TypeVar("T")


class AnswerReader(Protocol):
    """Reads one answer: our side of a protocol. It keeps the state of the answer and never waits."""

    ended: bool
    """The protocol's terminal marker was read, and `Completed` was added."""
    finish_reason: Finish
    """What is known of the answer's end before the terminal marker."""
    request_id: str | UnsetType
    """What the provider's answer calls the HTTP request; set before anything is read."""

    def read(self, data: bytes, events: list[ProviderEvent]) -> None:
        """Adds what one server-sent event says to `events`. Raises ProviderError."""

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Completes an answer whose body ended without a terminal marker, or fell silent after a finish reason.

        `unfinished` are the bytes that were left over. Raises ProviderError where that does not complete the answer.
        """


async def follow(
    name: str,
    send: Callable[[], Awaitable[httpx2.Response]],
    reader: AnswerReader,
    times: CallTimes = CALL_TIMES,
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Sends the request and yields the answer's events: one list for what arrived together, empty for a sign of life.

    A clean end, `after_finish_s` of silence and, where it is certain, a broken connection complete an answer whose
    finish reason has come.

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
        decoder = SseDecoder()
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
                        _read(name, reader, event, events)
                else:
                    _finish(name, reader, decoder, events, silent=piece is None)
            except ProviderError as error:
                failure = error.with_traceback(None)  # the reader's frames, which may refer to it
            except TRANSPORT_ERRORS as error:
                failure = _broken(from_transport(name, error), reader, events, said=said)
            except EventTooLargeError:
                failure = problem(name, "invalid_response", "an event is too large")
            if events or (piece and failure is None):
                _bound(events)
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


def _read(name: str, reader: AnswerReader, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
    """Reads one event.

    After the end of an answer, what cannot be understood or asks to try again takes nothing from the answer.
    """
    if not event.data.startswith(b"{") and _keeps_alive(event):
        return
    try:
        reader.read(_shallow(name, event.data), events)
    except ProviderError as error:
        if not (error.retryable and reader.finish_reason.certain):
            raise


def _shallow(name: str, data: bytes) -> bytes:
    """Returns an event without what nests so deep that reading it fails: it must not take the rest along."""
    try:
        return shallow(data, MAX_JSON_LEVELS)
    except ValueError:
        raise problem(name, "invalid_response", "an event that nests too deep") from None


def _bound(events: list[ProviderEvent]) -> None:
    """Cuts what is put through as the provider's JSON has it to the depth that whoever reads the log can read.

    An end is written whatever its size: what of it is the provider's is therefore cut short. Impossible counts are
    dropped.
    """
    events[:] = [event for event in events if not isinstance(event, UsageReport) or event.usage.is_possible]
    for event in events:
        if isinstance(event, Raw) and nests_deeper(event.data, MAX_DEPTH):
            event.data = cut(event.data, MAX_DEPTH)
        elif isinstance(event, Annotation) and nests_deeper(event.fields, MAX_DEPTH):
            event.fields = cut(event.fields, MAX_DEPTH)
        elif isinstance(event, Completed):
            if event.raw_finish_reason is not None:
                event.raw_finish_reason = event.raw_finish_reason[:MAX_REASON_CHARS]
            if event.usage is not None and not event.usage.is_possible:
                event.usage = None


def _keeps_alive(event: ServerSentEvent) -> bool:
    """Says whether an event that is no JSON object is a keep-alive, which no protocol has and proxies send."""
    word = event.data[:32].decode("utf-8", "replace").strip(' \t"[]').lower()
    return word in KEEP_ALIVES or event.event.lower() in KEEP_ALIVES


async def _read_until(when: float, read: Callable[[], Awaitable[bytes]]) -> bytes | None:
    """Returns what comes by then (the loop's clock); None where nothing does."""
    try:
        async with asyncio.timeout_at(when):
            return await read()
    except TimeoutError:
        return None


def _finish(name: str, reader: AnswerReader, decoder: SseDecoder, events: list[ProviderEvent], *, silent: bool) -> None:
    """Ends an answer whose body has ended cleanly, or is silent.

    An event that lacks no more than its blank line counts.
    """
    left = decoder.unfinished
    for event in decoder.last():
        if _is_whole(event.data):
            _read(name, reader, event, events)
            left = b""
    if all(not line or line.startswith(b":") for line in left.split(b"\n")):
        left = b""
    if not reader.ended:
        reader.finish(b"" if silent else left, events)


def _is_whole(data: bytes) -> bool:
    try:
        json.loads(shallow(data, MAX_JSON_LEVELS).decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return is_done(data)
    return True


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
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in ("application/json", "text/html"):
            return response
        await response.aclose()
        detail = f"{media_type} instead of an event stream: check base_url"
        failure = problem(name, "invalid_response", detail, retryable=False)
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


def parse(name: str, decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Parses one event's JSON.

    msgspec refuses what some providers send: lone surrogate escapes, when an emoji is cut in two, bytes
    that are not UTF-8, and numbers as text. Raises ProviderError `invalid_response` for what is not JSON, or
    has another shape.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = json.loads(data.decode("utf-8", "replace"))
        return msgspec.convert(value, decoder.type, strict=False)
    except (ValueError, RecursionError, msgspec.ValidationError):
        raise problem(name, "invalid_response", "an event that is not the protocol's JSON") from None
