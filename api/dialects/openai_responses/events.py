"""A log as the events of a Responses stream (API reference: "Streaming events"; Open Responses of 2026-04-24).

Each event has its number, dense over the whole stream. A generation has one response, and one epoch: what an attempt
that starts over makes void is closed as incomplete, and is not in the output at the end.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from api.dialects.openai_responses.frame import frame
from api.dialects.openai_responses.resource import resource
from api.dialects.openai_responses.said import OF_THE_END, Said
from api.dialects.openai_responses.stream import Stream
from api.dialects.openai_responses.terminal import ending_of
from api.viewing.dialect import Subject
from shared.errors import TooDeepError
from shared.log import events
from shared.log.entry import RawEntry, read_id
from shared.log.events import TERMINAL_TYPES
from shared.record import DialectName
from shared.request.limits import MAX_DEPTH
from shared.strict_json import nests_deeper


class _Delta(Struct, gc=False):
    part: int
    kind: events.PartKind
    delta: msgspec.Raw
    logprobs: list[object] | UnsetType = UNSET


_read_delta = msgspec.json.Decoder(_Delta).decode

_READ = frozenset({"attempt", "response", "part", "annotation", "part_end", "usage"}) | TERMINAL_TYPES
"""Events that are told, beside deltas."""


class OpenAIResponsesDialect:
    """The dialect: see `api.viewing.dialect.Dialect`."""

    name: DialectName = "openai-responses"
    heartbeat = b": \n"
    """A comment, without a blank line: that would end a block, which some clients give as an empty event."""
    drain = b""
    ending = b"data: [DONE]\n\n"

    def framer(self, subject: Subject, /) -> "ResponsesFramer":
        return ResponsesFramer(subject)

    def opening(self) -> bytes:
        return b""

    def queued(self, generation_id: str, position: int | None, /) -> bytes:
        """Returns nothing: SDKs' helpers fail on an event that they do not know."""
        return b""

    def reset(self, reason: str, /) -> bytes:
        return b""


class ResponsesFramer:
    """The stream of one log: see `api.viewing.dialect.Framer`."""

    epoch = 1

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._stream = Stream(subject, number=2)
        self._told = self._stream.events
        self._places: list[Said] = []
        """The parts of the newest attempt, by their index."""
        self._parts: list[Said] = []
        """All parts that stand."""
        self._begun = False
        self._usage: events.Usage | None = None
        self._tier: str | None = None

    def opening(self) -> Sequence[bytes]:
        """Returns the events that say that it is there, and waits."""
        queued = {"response": resource(self._subject, "queued", [])}
        return [frame("response.created", 0, queued), frame("response.queued", 1, queued)]

    def frames(self, entry: RawEntry, /) -> Sequence[bytes]:
        event_id, (type, data) = entry
        stream, told = self._stream, self._told
        # Nearly every event of a long log is one.
        if type == b"delta":
            delta = _read_delta(data)
            text = bytes(delta.delta)
            if 0 <= delta.part < len(self._places):
                said = self._places[delta.part]
                if said.before and delta.logprobs is UNSET:
                    said.grown += text[1:-1]
                    said.told = len(said.grown)
                    number = told.number
                    told.number = number + 1
                    return (b"%b%b%b%d}\n\n" % (said.before, text, said.after, number),)
            else:
                said = self._begin(delta.part, Said(delta.kind))
            stream.grow(said, text, None if delta.logprobs is UNSET else delta.logprobs)
            return told.take()
        name = type.decode()
        if name not in _READ:
            return ()
        try:
            event = events.decode(name, data)
        except TooDeepError:
            return ()  # an annotation of an older version, which is in no answer either
        self._apply(event_id, event)
        return told.take()

    def _begin(self, index: int, said: Said) -> Said:
        """Begins a part, which is the next of its attempt. Raises ValueError for a broken log."""
        if index != len(self._places):
            raise ValueError(f"part {index} does not follow part {len(self._places) - 1}")
        self._places.append(said)
        self._parts.append(said)
        self._stream.begin(said)
        return said

    def _apply(self, event_id: bytes, event: events.AnyEvent) -> None:
        match event:
            case events.Attempt():
                self._attempt(event)
            case events.Response():
                if event.service_tier is not UNSET:
                    self._tier = event.service_tier
            case events.Part():
                self._part(event)
            case events.Annotation() if 0 <= event.part < len(self._places):
                if not nests_deeper(event.fields, MAX_DEPTH):
                    self._stream.annotate(self._places[event.part], event.fields)
            case events.PartEnd() if 0 <= event.part < len(self._places):
                said = self._places[event.part]
                for name in OF_THE_END:
                    if (value := getattr(event, name)) is not UNSET:
                        setattr(said, name, value)
                self._stream.end(said)
            case events.UsageReport():
                self._usage = event.usage
            case events.Completed() | events.Failed() | events.Cancelled():
                self._stream.finish(ending_of(event, read_id(event_id).token), event.usage or self._usage, self._tier)

    def _attempt(self, event: events.Attempt) -> None:
        if not event.continues:
            self._stream.void(event.number)
            self._parts, self._usage, self._tier = [], None, None
        for said in self._places:
            self._stream.leave(said)
        self._places = []
        if not self._begun:
            self._begun = True
            self._stream.progress()

    def _part(self, event: events.Part) -> None:
        if event.resumes is True and event.part == len(self._places):
            item_id = None if event.item_id is UNSET else event.item_id
            found = (p for p in reversed(self._parts) if p.kind == event.kind and p.item_id == item_id)
            if (said := next(found, None)) is not None:
                self._places.append(said)
                said.learn(event)
                self._stream.resume(said)
                return
        if event.part < len(self._places):
            return  # it has begun, with a delta that came before
        said = Said(event.kind)
        said.learn(event)
        self._begin(event.part, said)
