"""What readers of all protocols have in common: each event of an answer, whole or odd, on its way to its reader."""

import json
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from shared.log.events import Annotation, Completed, Raw, UsageReport
from shared.request.limits import MAX_DEPTH
from shared.request.nesting import shallow
from shared.sse_decoder import ServerSentEvent
from shared.strict_json import cut, nests_deeper
from worker.providers.answer_decoder import AnswerDecoder
from worker.providers.error_shapes import ERROR_EVENTS, failure_of
from worker.providers.errors import problem
from worker.providers.finish_reasons import Finish, is_done
from worker.providers.lenient_json import read_value, split_values
from worker.providers.provider import ProviderError, ProviderEvent

MAX_JSON_LEVELS = 256
"""Levels of JSON in one event; what lies deeper is null. No provider has a tenth of it, and Python reads a thousand."""

MAX_REASON_CHARS = 256
"""Characters of a finish reason in the provider's words; the longest that is known has 29."""

MAX_STOP_CHARS = 1024
"""Characters of the stop sequence that ended an answer."""


class AnswerReader(Protocol):
    """Reads one answer: our side of a protocol. It keeps the state of the answer and never waits."""

    ended: bool
    """The protocol's terminal marker was read, and `Completed` was added."""
    finish_reason: Finish
    """What is known of the answer's end before the terminal marker."""
    request_id: str | UnsetType
    """What the provider's answer calls the HTTP request; set before anything is read."""

    def read(self, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
        """Adds what one server-sent event says to `events`; its data is a JSON object. Raises ProviderError.

        A whole answer in one document is read as an event of that protocol.
        """

    def done(self, events: list[ProviderEvent]) -> None:
        """Reads the word that ends OpenAI's streams, and with gateways those of any protocol. Raises ProviderError."""

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Completes an answer whose body ended without a terminal marker, or fell silent after a finish reason.

        `unfinished` are the bytes that were left over. Raises ProviderError where that does not complete the answer.
        """


def read_event(name: str, reader: AnswerReader, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
    """Reads one event.

    After the end of an answer, what cannot be understood or asks to try again takes nothing from the answer.
    """
    if reader.ended:
        return
    try:
        if event.data.startswith(b"{") and event.event not in ERROR_EVENTS:
            # What is shorter closes no more levels than it may have, and most events are.
            if len(event.data) > 2 * MAX_JSON_LEVELS:
                event = _shallow(name, event)
            reader.read(event, events)
        else:
            _read_odd(name, reader, event, events)
    except ProviderError as error:
        if error.code == "invalid_response" and (pieces := split_values(event.data)):
            for piece in pieces:
                read_event(name, reader, ServerSentEvent(event.event, piece, event.id), events)
        elif not (error.retryable and reader.finish_reason.certain):
            raise


def _shallow(name: str, event: ServerSentEvent) -> ServerSentEvent:
    """Returns an event without what nests so deep that reading it fails: it must not take the rest along."""
    try:
        data = shallow(event.data, MAX_JSON_LEVELS)
    except ValueError:
        raise problem(name, "invalid_response", "an event that nests too deep") from None
    return event if data is event.data else ServerSentEvent(event.event, data, event.id)


def _read_odd(name: str, reader: AnswerReader, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
    """Reads an event that is no JSON object, or is named an error.

    It may be a list of events, as Google's without `alt=sse`, or one in quotes. Without any object in it, it says only
    that somebody is there: no protocol has such, and gateways send what they like (`ping`, `keep-alive`, `null`).
    """
    data = event.data.strip()
    if event.event in ERROR_EVENTS:
        raise failure_of(name, _value_or_text(name, data))
    if is_done(data):
        reader.done(events)
    elif b"{" in data and b'"' in data:
        value = read_value(name, _shallow(name, ServerSentEvent(event.event, data, event.id)).data)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = read_value(name, value.encode("utf-8", "surrogatepass"))
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                read_event(name, reader, ServerSentEvent(event.event, json.dumps(item).encode(), event.id), events)


def _value_or_text(name: str, data: bytes) -> Any:
    try:
        return read_value(name, _shallow(name, ServerSentEvent("", data, "")).data)
    except ProviderError:
        return data.decode("utf-8", "replace")


def read_end(
    name: str, reader: AnswerReader, decoder: AnswerDecoder, events: list[ProviderEvent], *, silent: bool
) -> None:
    """Reads the end of an answer whose body has ended cleanly, or is silent.

    An event that lacks no more than its blank line counts.
    """
    if decoder.document is not None and not silent:
        _read_document(name, reader, decoder, events)
        return
    left = decoder.unfinished
    for event in decoder.last():
        if _is_whole(event.data):
            read_event(name, reader, event, events)
            left = b""
    if all(not line or line.startswith(b":") for line in left.split(b"\n")):
        left = b""
    if not reader.ended:
        reader.finish(b"" if silent else left, events)


def _read_document(name: str, reader: AnswerReader, decoder: AnswerDecoder, events: list[ProviderEvent]) -> None:
    """Reads a body that is no event stream: an answer or an error in one JSON document, or a list of either."""
    assert decoder.document is not None
    document = bytes(decoder.document).lstrip(b"\xef\xbb\xbf \t\r\n")
    if document.startswith(b"<"):
        raise _no_stream(name, "a page of HTML")
    pieces = [ServerSentEvent("message", document, "")] if _is_whole(document) else decoder.last()
    if not all(_is_whole(piece.data) for piece in pieces):
        raise problem(name, "incomplete_stream", "half a document")
    for piece in pieces:
        read_event(name, reader, piece, events)
    if all(isinstance(event, Raw) for event in events):
        events.clear()
        raise _no_stream(name, "a JSON document")
    if not reader.ended:
        reader.finish(b"", events)


def _no_stream(name: str, what: str) -> ProviderError:
    return problem(name, "invalid_response", f"{what} instead of an event stream: check base_url", retryable=False)


def _is_whole(data: bytes) -> bool:
    try:
        json.loads(shallow(data, MAX_JSON_LEVELS).decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return is_done(data) or bool(split_values(data))
    return True


def bound(events: list[ProviderEvent]) -> None:
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
            if event.stop_sequence is not UNSET:
                event.stop_sequence = event.stop_sequence[:MAX_STOP_CHARS]
            if event.refusal_category is not UNSET:
                event.refusal_category = event.refusal_category[:MAX_REASON_CHARS]
            if event.raw_finish_reason is not None:
                event.raw_finish_reason = event.raw_finish_reason[:MAX_REASON_CHARS]
            if event.usage is not None and not event.usage.is_possible:
                event.usage = None
