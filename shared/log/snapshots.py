"""A generation as it stands: the fold of its events, for who wants the answer and not the stream."""

from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

from msgspec import UNSET

from shared.errors import TooDeepError
from shared.log import events
from shared.log.attempt_model import full_name
from shared.log.events import ORIGIN, TERMINAL_TYPES, EventId, Usage
from shared.request.limits import MAX_DEPTH
from shared.strict_json import nests_deeper

MAX_RAW_LISTED = 50
"""Raw events that a snapshot lists at most; the rest it counts."""
MAX_RAW_BYTES = 65_536
"""Bytes of JSON that the listed raw events have together at most."""

_NAMES = ("response_id", "request_id", "model", "system_fingerprint", "service_tier")
_OF_THE_PART = (
    "call_id", "name", "item_id", "executor", "summary", "media_type", "url", "is_error", "result_type",
)  # fmt: skip


@dataclass(slots=True)
class AttemptLine:
    """One attempt, as its first event announced it, and what it has used so far."""

    number: int
    reason: events.AttemptReason
    model: str
    """`provider/model`, whichever version has written it."""
    provider: str
    continues: bool
    cached: bool = False
    usage: Usage | None = None
    """As far as its own events say it."""
    response_id: str | None = None
    left: str | None = field(default=None, repr=False)
    """`response_id` of the call that it may have found again, as that has the provider's numbers."""

    @property
    def found_again(self) -> bool:
        """Says whether it went on with the call of the attempt before, whose usage its own includes."""
        return self.left is not None and self.left == self.response_id


@dataclass(slots=True)
class PartSoFar:
    """One part and what it has grown to; the other fields are those of its events.

    A tool call's text is its arguments' JSON, a file's is its content in Base64; both are complete once `ended`.
    """

    kind: events.PartKind
    call_id: str | None = None
    name: str | None = None
    item_id: str | None = None
    executor: Literal["client", "provider"] | None = None
    summary: bool | None = None
    media_type: str | None = None
    url: str | None = None
    is_error: bool | None = None
    result_type: str | None = None
    signature: str | None = None
    encrypted: str | None = None
    provider: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    annotation_protocol: str | None = None
    """Whose shape the annotations have; all of a part are of one protocol."""
    logprobs: list[Any] | None = None
    """Of the tokens of those deltas that had them, in order; None where none had."""
    ended: bool = False
    place: int | None = field(default=None, compare=False)
    """Its index (`part`) in the newest attempt; None where that attempt has not named it so far."""
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Snapshot:
    """What a generation's answer is, up to the last entry of its log that was applied; entries are applied in order.

    An attempt that does not continue drops what those before it said, as viewers do. Annotations that nest deeper than
    64 levels are left out, and raw events are only counted: no writer adds such any more, but older ones did.
    """

    def __init__(self) -> None:
        self.last = ORIGIN
        self.attempts: list[AttemptLine] = []
        self.parts: list[PartSoFar] = []
        self.usage: Usage | None = None
        self.end: events.Completed | events.Failed | events.Cancelled | None = None
        self.response_id: str | None = None
        self.request_id: str | None = None
        self.model: str | None = None
        self.system_fingerprint: str | None = None
        self.service_tier: str | None = None
        self.raw_count = 0
        self.raw: list[events.Raw] = []
        """The raw events from the first on, as far as `MAX_RAW_LISTED` and `MAX_RAW_BYTES` go."""
        self.sequence_number: int | None = None
        """The provider's number of its event that was read last, where it counts them."""
        self.first_said_ms: int | None = None
        """When the first delta of what stands came (ms since the epoch, on Redis' clock); None before one has."""
        self._places: list[PartSoFar] = []
        self._raw_bytes = 0

    @property
    def counted(self) -> Usage | None:
        """What all attempts have used, as far as their own events say it; None where they say nothing."""
        calls: list[AttemptLine] = []
        for attempt in self.attempts:
            if attempt.usage is not None:
                if attempt.found_again and calls and calls[-1].response_id == attempt.left:
                    calls.pop()
                calls.append(attempt)
        return reduce(Usage.__add__, [call.usage for call in calls if call.usage]) if calls else None

    @property
    def text(self) -> str:
        """The answer's text so far, without reasoning, refusals and tool calls."""
        return "".join(part.text for part in self.parts if part.kind == "text")

    def apply(self, event_id: EventId, type: str, data: bytes) -> None:
        """Applies one entry; an unknown type is passed over. Raises ValueError for data that does not fit."""
        self.last = event_id
        if type not in events.EVENT_TYPES:
            return
        try:
            event = events.decode(type, data)
        except TooDeepError:
            self.raw_count += type == events.Raw.type
            return
        if event.sequence_number is not UNSET:
            self.sequence_number = event.sequence_number
        # Nearly every event of a long log is one.
        if isinstance(event, events.Delta):
            part = self._place(event.part, event.kind)
            part.pieces.append(event.delta)
            if self.first_said_ms is None:
                self.first_said_ms = event_id.token + event.t
            if event.logprobs is not UNSET:
                part.logprobs = part.logprobs or []
                part.logprobs += event.logprobs
            return
        match event:
            case events.Attempt() as event:
                self._begin(event)
            case events.Response() as event:
                _take_given(event, self, *_NAMES)
                if self.attempts:
                    self.attempts[-1].response_id = self.response_id
            case events.Part() as event:
                self._open(event)
            case events.Annotation() as event:
                if 0 <= event.part < len(self._places) and not nests_deeper(event.fields, MAX_DEPTH):
                    self._places[event.part].annotations.append(event.fields)
                    if event.protocol is not UNSET:
                        self._places[event.part].annotation_protocol = event.protocol
            case events.PartEnd() as event:
                if 0 <= event.part < len(self._places):
                    self._places[event.part].ended = True
                    _take_given(event, self._places[event.part], "signature", "encrypted", "provider")
            case events.Raw() as event:
                self._list(event, len(data))
            case events.UsageReport() as event:
                self.usage = event.usage
                if self.attempts:
                    self.attempts[-1].usage = event.usage
            case (events.Completed() | events.Failed() | events.Cancelled()) as event:
                assert event.type in TERMINAL_TYPES
                self.end = event
                self.usage = event.usage or self.usage
                if isinstance(event, events.Completed):
                    self.response_id = event.response_id or self.response_id

    def _begin(self, event: events.Attempt) -> None:
        if not event.continues:
            self.parts, self.usage, self.sequence_number, self.first_said_ms = [], None, None, None
            self.response_id = self.request_id = self.model = None
            self.system_fingerprint = self.service_tier = None
            self.raw, self.raw_count, self._raw_bytes = [], 0, 0
        # A part's index counts within its attempt.
        for part in self._places:
            part.place = None
        self._places = []
        self.attempts.append(
            AttemptLine(
                event.number,
                event.reason,
                full_name(event.provider, event.model),
                event.provider,
                event.continues,
                cached=event.cached is True,
                left=None if self.sequence_number is None else self.response_id,
            )
        )

    def _open(self, event: events.Part) -> None:
        part = self._broken_off(event) if event.resumes is True else None
        if part is not None:
            part.place = len(self._places)
            self._places.append(part)
        else:
            part = self._place(event.part, event.kind)
            part.kind = event.kind
        _take_given(event, part, *_OF_THE_PART)

    def _list(self, event: events.Raw, size: int) -> None:
        self.raw_count += 1
        if (
            len(self.raw) == MAX_RAW_LISTED
            or self._raw_bytes + size > MAX_RAW_BYTES
            or nests_deeper(event.data, MAX_DEPTH)
        ):
            return
        self.raw.append(event)
        self._raw_bytes += size

    def _place(self, index: int, kind: events.PartKind) -> PartSoFar:
        # Indexes are dense; one far beyond the end is a broken log, and must not become a list of that size.
        if not 0 <= index <= len(self._places):
            raise ValueError(f"part {index} does not follow part {len(self._places) - 1}")
        if index == len(self._places):
            part = PartSoFar(kind, place=index)
            self._places.append(part)
            self.parts.append(part)
        return self._places[index]

    def _broken_off(self, event: events.Part) -> PartSoFar | None:
        item_id = None if event.item_id is UNSET else event.item_id
        found = (p for p in reversed(self.parts) if p.kind == event.kind and p.item_id == item_id)
        return next(found, None) if event.part == len(self._places) else None


def _take_given(event: events.Event, target: object, *fields: str) -> None:
    """Copies to `target` those of the fields that the event has."""
    for name in fields:
        if (value := getattr(event, name)) is not UNSET:
            setattr(target, name, value)
