"""Reading an event stream as it arrives (WHATWG HTML, "Server-sent events", sections 9.2.5 and 9.2.6)."""

from msgspec import Struct

from shared.errors import EventTooLargeError

MAX_EVENT_BYTES = 64_000_000
"""Bytes of one event. An image is one: in 4K, as Gemini's models send it, it has about 20 MB of Base64."""

_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(Struct, frozen=True, gc=False):
    """One dispatched event. `data` is as received, its lines joined by LF; `id` is the last id seen."""

    event: str
    data: bytes
    id: str


class SseDecoder:
    """Turns bytes, cut anywhere, into events.

    It departs from the letter of the specification in one way: `id` and `retry` count when their block's
    blank line arrives, not at the end of their own line, so that half a block has no effect at all.

    `unframed` takes also what servers put beside the format: bare JSON is data, and a field `error` an event of that
    name.
    """

    def __init__(self, max_event: int = MAX_EVENT_BYTES, *, unframed: bool = False) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        """The last reconnection time the server asked for, in ms."""
        self._max_event = max_event
        self._unframed = unframed
        self._pending = bytearray()
        self._started = False
        self._after_cr = False

    @property
    def unfinished(self) -> bytes:
        """What came after the last blank line: at the end, an event that must not be dispatched."""
        return bytes(self._pending)

    def last(self) -> list[ServerSentEvent]:
        """Returns the event whose blank line is missing, as if that had come; the decoder is of no use after that.

        It is for answers of providers, whose events show by themselves whether they are whole. A viewer's client must
        not use it: what is unfinished is not dispatched (section 9.2.6), and is read again after its last id.
        """
        events: list[ServerSentEvent] = []
        self._read(bytes(self._pending), events)
        return events

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Returns the events that this chunk completes.

        Raises EventTooLargeError when one event passes the bound; the decoder is of no use after that.
        """
        if not self._started:
            chunk = self._without_bom(chunk)
        if self._after_cr or b"\r" in chunk:
            chunk = self._normalised(chunk)
        if self._pending:
            # Only the new bytes and the one before them can hold the blank line: no byte is searched twice.
            searched = len(self._pending) - 1
            self._pending += chunk
            end = self._pending.rfind(b"\n\n", searched)
            if end < 0:
                self._check(len(self._pending) - 1)
                return []
            blocks = bytes(self._pending[:end])
            del self._pending[: end + 2]
        else:
            end = chunk.rfind(b"\n\n")
            if end < 0:
                self._pending += chunk
                self._check(len(self._pending) - 1)
                return []
            blocks = chunk[:end]
            self._pending += chunk[end + 2 :]
        events: list[ServerSentEvent] = []
        for block in blocks.split(b"\n\n"):
            if len(block) > self._max_event:
                self._check(len(block))
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(ServerSentEvent("message", block[6:], self.last_event_id))
            else:
                self._read(block, events)
        return events

    def _without_bom(self, chunk: bytes) -> bytes:
        chunk = bytes(self._pending) + chunk
        self._pending.clear()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._pending += chunk
            return b""
        self._started = True
        return chunk.removeprefix(_BOM)

    def _normalised(self, chunk: bytes) -> bytes:
        """Returns the chunk with LF alone as line end. A CR counts at once; an LF that follows it belongs to it."""
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return chunk
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check(self, size: int) -> None:
        # Of what is pending, one byte less: the last may be the first half of the blank line.
        if size > self._max_event:
            raise EventTooLargeError(f"an event of the stream is larger than {self._max_event} bytes")

    def _read(self, block: bytes, events: list[ServerSentEvent]) -> None:
        event = ""
        data: list[bytes] = []
        if self._unframed and block.lstrip().startswith((b"{", b"[")):
            events.append(ServerSentEvent("message", block.strip(), self.last_event_id))
            return
        for line in block.split(b"\n"):
            # A comment is a field without a name.
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"error" and self._unframed:
                event = "error"
                data.append(value)
            elif name == b"id" and b"\0" not in value:
                self.last_event_id = value.decode("utf-8", "replace")
            elif name == b"retry" and value.isdigit() and len(value) < 16:
                self.retry = int(value)
        if data:
            events.append(ServerSentEvent(event or "message", b"\n".join(data), self.last_event_id))
