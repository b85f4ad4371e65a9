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
        self._first = 0

    @property
    def text(self) -> str:
        """The answer's text so far, without reasoning, refusals and tool calls."""
        return "".join(part.text for part in self.parts if part.kind == "text")

    def apply(self, event_id: EventId, type: str, data: bytes) -> None:
        """Take one entry; an unknown type is passed over. Raises ValueError for data that does not fit."""
        self.last = event_id
        if type not in events.TYPES:
            return
        match events.decode(type, data):
            case events.Attempt() as event:
                if not event.continues:
                    self.parts, self.usage = [], None
                # A part's index counts within its attempt.
                self._first = len(self.parts)
                self.attempts.append(
                    AttemptLine(event.number, event.reason, event.model, event.provider, event.continues)
                )
            case events.Part() as event:
                self._grow(event.part, event.kind)
                part = self.parts[self._first + event.part]
                part.kind = event.kind
                part.call_id = None if event.call_id is UNSET else event.call_id
                part.name = None if event.name is UNSET else event.name
            case events.Delta() as event:
                self._grow(event.part, event.kind)
                self.parts[self._first + event.part].pieces.append(event.delta)
            case events.PartEnd() as event:
                if self._first + event.part < len(self.parts):
                    self.parts[self._first + event.part].ended = True
            case events.UsageReport() as event:
                self.usage = event.usage
            case (events.Completed() | events.Failed() | events.Cancelled()) as event:
                assert event.type in TERMINAL
                self.end = event
                self.usage = event.usage or self.usage
            case _:
                pass

    def _grow(self, index: int, kind: events.PartKind) -> None:
        # Indexes are dense; one far beyond the end is a broken log, and must not become a list of that size.
        if not 0 <= index <= len(self.parts) - self._first:
            raise ValueError(f"part {index} does not follow part {len(self.parts) - self._first - 1}")
        if self._first + index == len(self.parts):
            self.parts.append(PartSoFar(kind))
