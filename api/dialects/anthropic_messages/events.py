"""A log as a stream of Messages (API reference: "Streaming messages")."""

from collections.abc import Sequence

from api.dialects.anthropic_messages import errors
from api.dialects.anthropic_messages.block_line import BlockLine, read_delta
from api.dialects.anthropic_messages.blocks import GROWTH_END, frame
from api.dialects.anthropic_messages.message import message_of
from api.dialects.anthropic_messages.stop_reason import ending
from api.dialects.anthropic_messages.usage import usage_of
from api.viewing.dialect import ResetReason, Subject
from shared.log import events
from shared.log.entry import RawEntry
from shared.log.events import EVENT_TYPES, Usage
from shared.record import DialectName


class AnthropicMessagesDialect:
    """The dialect of Anthropic Messages. It has no cursor of its own, and no frame for starting over or going away."""

    name: DialectName = "anthropic"
    heartbeat = b'event: ping\ndata: {"type": "ping"}\n\n'
    drain = b""
    ending = b""

    def framer(self, subject: Subject, /) -> "MessagesFramer":
        """Implements `Dialect.framer`."""
        return MessagesFramer(subject)

    def opening(self) -> bytes:
        """Implements `Dialect.opening`: a stream begins with its first event."""
        return b""

    def queued(self, generation_id: str, position: int | None, /) -> bytes:
        """Implements `Dialect.queued`: nothing is said of the line."""
        return b""

    def reset(self, reason: ResetReason, /) -> bytes:
        """Implements `Dialect.reset`."""
        return b""


class MessagesFramer:
    """The stream of one log: its message, whose blocks follow one another, and its end."""

    def __init__(self, subject: Subject) -> None:
        self.epoch = 1
        self._subject = subject
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._line = BlockLine()
        self._usage: Usage | None = None
        self._service_tier: str | None = None

    def opening(self) -> Sequence[bytes]:
        """Implements `Framer.opening`."""
        return (frame("message_start", {"message": message_of(self._subject)}),)

    def frames(self, entry: RawEntry, /) -> Sequence[bytes]:
        """Implements `Framer.frames`. Raises ValueError for what does not fit its type."""
        type, data = entry[1]
        if type == b"delta":
            # Nearly every event of a long log is one. Its text goes on as the JSON that it is.
            said = read_delta(data)
            growths = self._line.growths
            if said.part < len(growths) and (growth := growths[said.part]):
                return (b"%b%b%b" % (growth, said.delta, GROWTH_END),)
            return self._line.grow(said)
        name = type.decode()
        return self._read(events.decode(name, data)) if name in EVENT_TYPES else ()

    def _read(self, event: events.AnyEvent) -> Sequence[bytes]:
        match event:
            case events.Attempt():
                return self._attempt(event)
            case events.Part():
                return self._line.open(event)
            case events.Annotation():
                return self._line.cite(event)
            case events.PartEnd():
                return self._line.end(event)
            case events.Response():
                self._service_tier = event.service_tier or self._service_tier
            case events.UsageReport():
                self._usage = event.usage
            case events.Completed():
                return self._complete(event)
            case events.Failed() | events.Cancelled():
                return [*self._line.finish(), frame("error", errors.in_stream(event))]
        return ()

    def _attempt(self, event: events.Attempt) -> Sequence[bytes]:
        """Begins an attempt: what was said before stands, or all of it is void."""
        if event.continues:
            self._line.begin_attempt()
            return ()
        is_void = self._line.is_begun
        self._begin_anew()
        if not is_void:
            return ()
        self.epoch = event.number
        return (frame("message_start", {"message": message_of(self._subject, self.epoch)}),)

    def _complete(self, event: events.Completed) -> Sequence[bytes]:
        usage = usage_of(event.usage or self._usage, self._service_tier)
        return [
            *self._line.finish(),
            frame("message_delta", {"delta": ending(event, refused=self._line.refused), "usage": usage}),
            frame("message_stop", {}),
        ]
