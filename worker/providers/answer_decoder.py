"""From the bytes of an answer to its events, however they are framed: as an event stream, or as one JSON document."""

from collections.abc import Callable

from shared.errors import EventTooLargeError
from shared.sse_decoder import MAX_EVENT_BYTES, ServerSentEvent, SseDecoder

_BLANK = b"\xef\xbb\xbf \t\r\n"


class AnswerDecoder:
    """Turns bytes, cut anywhere, into events. What an answer is shows in its first byte, and not in its media type.

    Some servers call their stream `application/json`, or nothing; some answer with one document although they were
    asked to stream.
    """

    def __init__(self, max_event: int = MAX_EVENT_BYTES) -> None:
        self.document: bytearray | None = None
        """What came so far of an answer that is no event stream: JSON, or a page of HTML."""
        self._max_event = max_event
        self._stream = SseDecoder(max_event, unframed=True)
        self.feed: Callable[[bytes], list[ServerSentEvent]] = self._begin
        """Returns the events that this piece completes. Raises EventTooLargeError."""

    def _begin(self, piece: bytes) -> list[ServerSentEvent]:
        first = piece.lstrip(_BLANK)[:1]
        if first in (b"{", b"[", b"<"):
            self.document, self.feed = bytearray(), self._collect
        elif first:
            self.feed = self._stream.feed
        else:
            return self._stream.feed(piece)
        return self.feed(piece)

    def _collect(self, piece: bytes) -> list[ServerSentEvent]:
        assert self.document is not None
        self.document += piece
        if len(self.document) > self._max_event:
            raise EventTooLargeError(f"a document is larger than {self._max_event} bytes")
        return []

    @property
    def unfinished(self) -> bytes:
        """What came after the last blank line of an event stream."""
        return self._stream.unfinished

    def last(self) -> list[ServerSentEvent]:
        """Returns what lacks only its blank line, and a document's events where it is several or a stream after all."""
        if self.document is None:
            return self._stream.last()
        events = self._stream.feed(bytes(self.document))
        return events + self._stream.last()
