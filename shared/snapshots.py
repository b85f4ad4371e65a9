"""A generation as it stands: the fold of its events, for who wants the answer and not the stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import UNSET

from shared import events
from shared.events import ORIGIN, TERMINAL, EventId, Usage


@dataclass(slots=True)
class AttemptLine:
    """One attempt, as its first event announced it."""

    number: int
    reason: events.AttemptReason
    model: str
    provider: str
    continues: bool


@dataclass(slots=True)
class PartSoFar:
    """One part and what it has grown to. A tool call's text is its arguments' JSON, complete once `ended`."""

    kind: events.PartKind
    call_id: str | None = None
    name: str | None = None
    item_id: str | None = None
    ended: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Snapshot:
    """Feed it a log's entries in order; it holds what the answer is up to the last of them.

    An attempt that does not continue drops the parts and usage of those before it, as viewers do.
    """

    def __init__(self) -> None:
        self.last = ORIGIN
        self.attempts: list[AttemptLine] = []
        self.parts: list[PartSoFar] = []
        self.usage: Usage | None = None
        self.end: events.Completed | events.Failed | events.Cancelled | None = None
        self.response_id: str | None = None
        """The provider's id of the answer."""
        self.sequence_number: int | None = None
        """The provider's number of its event that was read last, where it counts them."""
        self._places: list[PartSoFar] = []

    @property
    def text(self) -> str:
        """The answer's text so far, without reasoning, refusals and tool calls."""
        return "".join(part.text for part in self.parts if part.kind == "text")

    def apply(self, event_id: EventId, type: str, data: bytes) -> None:
        """Take one entry; an unknown type is passed over. Raises ValueError for data that does not fit."""
        self.last = event_id
        if type not in events.TYPES:
            return
        event = events.decode(type, data)
        if event.sequence_number is not UNSET:
            self.sequence_number = event.sequence_number
        match event:
            case events.Attempt() as event:
                if not event.continues:
                    self.parts, self.usage, self.response_id, self.sequence_number = [], None, None, None
                # A part's index counts within its attempt.
                self._places = []
                self.attempts.append(
                    AttemptLine(event.number, event.reason, event.model, event.provider, event.continues)
                )
            case events.Response() as event:
                if event.response_id is not UNSET:
                    self.response_id = event.response_id
            case events.Part() as event:
                if event.resumes is True and (part := self._broken_off(event)) is not None:
                    self._places.append(part)
                    return
                part = self._place(event.part, event.kind)
                part.kind = event.kind
                part.call_id = None if event.call_id is UNSET else event.call_id
                part.name = None if event.name is UNSET else event.name
                part.item_id = None if event.item_id is UNSET else event.item_id
            case events.Delta() as event:
                self._place(event.part, event.kind).pieces.append(event.delta)
            case events.PartEnd() as event:
                if event.part < len(self._places):
                    self._places[event.part].ended = True
            case events.UsageReport() as event:
                self.usage = event.usage
            case (events.Completed() | events.Failed() | events.Cancelled()) as event:
                assert event.type in TERMINAL
                self.end = event
                self.usage = event.usage or self.usage
            case _:
                pass

    def _place(self, index: int, kind: events.PartKind) -> PartSoFar:
        # Indexes are dense; one far beyond the end is a broken log, and must not become a list of that size.
        if not 0 <= index <= len(self._places):
            raise ValueError(f"part {index} does not follow part {len(self._places) - 1}")
        if index == len(self._places):
            part = PartSoFar(kind)
            self._places.append(part)
            self.parts.append(part)
        return self._places[index]

    def _broken_off(self, event: events.Part) -> PartSoFar | None:
        item_id = None if event.item_id is UNSET else event.item_id
        found = (p for p in reversed(self.parts) if p.kind == event.kind and p.item_id == item_id)
        return next(found, None) if event.part == len(self._places) else None
