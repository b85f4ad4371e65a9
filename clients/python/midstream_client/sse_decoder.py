"""Reading an event stream as it arrives (WHATWG HTML, "Server-sent events", sections 9.2.5 and 9.2.6)."""

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

MAX_EVENT_LENGTH = 256_000_000
"""Characters of one event: more than a provider may send in one, which may be longer in Midstream's JSON."""


class ServerSentEvent(NamedTuple):
    """One dispatched event. `id` is its own: None where its block has none, as a cursor never moves on such."""

    event: str
    data: str
    id: str | None


class EventTooLongError(ValueError):
    """An event is longer than may be."""


class SseDecoder:
    """Turns bytes, cut anywhere, into events; one for each connection.

    `id` and `retry` count when their block's blank line arrives, so that half a block has no effect at all. A CR at the
    end of a chunk counts when the next one comes, which shows whether an LF belongs to it.
    """

    def __init__(self, max_event: int = MAX_EVENT_LENGTH) -> None:
        self.retry: int | None = None
        """The last reconnection time that the server asked for, in ms."""
        self._max_event = max_event
        # They keep what is cut: a character, the mark at the start, a CR and its LF.
        utf8 = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._text = io.IncrementalNewlineDecoder(utf8, translate=True)
        self._line: list[str] = []
        self._length = 0
        # Of the block that has begun.
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None
        self._wanted: int | None = None

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yields the events that this chunk completes.

        Raises EventTooLongError when one passes the bound; the decoder is of no use after that.
        """
        *lines, rest = self._text.decode(chunk).split("\n")
        for line in lines:
            self._count(line)
            whole = "".join([*self._line, line]) if self._line else line
            self._line.clear()
            if whole:
                self._field(whole)
            elif (event := self._dispatched()) is not None:
                yield event
        if rest:
            self._count(rest)
            self._line.append(rest)

    def _count(self, text: str) -> None:
        self._length += len(text)
        if self._length > self._max_event:
            raise EventTooLongError(f"an event of the stream is longer than {self._max_event} characters")

    def _field(self, line: str) -> None:
        # A comment is a field without a name.
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value or None
            case "retry" if value.isascii() and value.isdecimal() and len(value) < 16:
                self._wanted = int(value)

    def _dispatched(self) -> ServerSentEvent | None:
        if self._wanted is not None:
            self.retry = self._wanted
        event = ServerSentEvent(self._event or "message", "\n".join(self._data), self._id) if self._data else None
        self._forget()
        return event

    def _forget(self) -> None:
        self._event, self._length = "", 0
        self._data, self._id, self._wanted = [], None, None
