"""What the quirks of one request do to its answer."""

from typing import Final

from simulator.faults import Fault
from simulator.quirks.quirk import EVENT_STREAM_TYPE
from simulator.quirks.quirked_writer import QuirkedWriter
from simulator.quirks.registry import chosen
from simulator.request import Request, RequestRefusedError
from simulator.wire import Headers, WireFormat, WireWriter, document

MAX_DELTAS: Final = 20_000
"""Deltas of an answer that quirks change: some hold all of it as JSON."""


class Oddity:
    """The quirks of one request in one protocol; there may be none."""

    def __init__(self, names: tuple[str, ...], wire: WireFormat) -> None:
        """Raises `RequestRefusedError` (400) where no such quirks can be sent together in this protocol."""
        self._wire = wire
        try:
            self._quirks = chosen(names, wire.name)
        except ValueError as wrong:
            raise _refused(str(wrong)) from None

    def check(self, request: Request) -> None:
        """Raises `RequestRefusedError` (400) where the request's answer is nothing that the quirks could change."""
        if request.background and self._quirks:
            raise _refused("is not for background responses")
        if not request.stream and any(quirk.events for quirk in self._quirks):
            raise _refused("is for streams")

    @property
    def refusal(self) -> tuple[int, bytes, Headers] | None:
        """Status, body and headers in place of an answer."""
        for quirk in self._quirks:
            if refusal := quirk.refusals.get(self._wire.name):
                body, headers = self._wire.problem(refusal.refused)
                return refusal.refused.status, body if refusal.body is None else document(refusal.body), headers
        return None

    @property
    def is_document(self) -> bool:
        """Whether one JSON document stands in place of a stream."""
        return any(quirk.documents for quirk in self._quirks)

    @property
    def content_type(self) -> Headers | None:
        """The header that says what the answer is; None where that is the usual one."""
        for quirk in self._quirks:
            if quirk.content_type != EVENT_STREAM_TYPE or quirk.documents:
                return [] if quirk.content_type is None else [(b"content-type", quirk.content_type)]
        return None

    @property
    def afterwards(self) -> Fault | None:
        """What follows the last event, in place of the body's end."""
        return next((Fault(quirk.afterwards) for quirk in self._quirks if quirk.afterwards), None)

    def write(self, writer: WireWriter, deltas: int) -> WireWriter:
        """The answer as it is sent. Raises `RequestRefusedError` (400) where it is too long for that."""
        if not self._quirks:
            return writer
        if deltas > MAX_DELTAS:
            raise _refused(f"is for answers of at most {MAX_DELTAS} deltas")
        return QuirkedWriter(writer, self._quirks, self._wire.name, deltas)


def _refused(message: str) -> RequestRefusedError:
    return RequestRefusedError(400, f"model: parameter 'quirk' {message}", param="model")
