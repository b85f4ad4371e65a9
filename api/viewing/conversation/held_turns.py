"""The turns that run or wait: their tails are held while the conversation is watched.

So whoever has had one turn goes on to the next without asking anybody, and a turn that waits behind another has a
viewer, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from api.counting.viewer_count import GenerationViewers
from api.viewing.dialect import ConversationDialect, Subject
from api.viewing.hub import Hub
from shared.record import Record

MAX_HELD = 4
"""Most tails that are held at once, those of the first turns; whoever comes to a later one asks for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A generation of a conversation, as it stood when it was read, and the frames that say that it begins."""

    number: int
    record: Record
    frame: bytes
    """That its events follow."""
    early: bytes
    """That they will, once those before have ended."""

    @classmethod
    def of(cls, number: int, record: Record, dialect: ConversationDialect) -> Self:
        """Returns the turn of this number."""
        frame, early = (dialect.begun(number, record, in_turn=in_turn) for in_turn in (True, False))
        return cls(number, record, frame, early)


class HeldTurns:
    """Holds the tails of the first turns that have not ended."""

    def __init__(self, hub: Hub, dialect: ConversationDialect) -> None:
        self._hub, self._dialect = hub, dialect
        self._turns: dict[int, Turn] = {}
        self._held: dict[int, _HeldTail] = {}

    def add(self, turn: Turn) -> None:
        """Notes a turn that has not ended."""
        self._turns[turn.number] = turn
        self._hold()

    def held(self, number: int) -> Turn | None:
        """Returns the turn of this number, where its tail is held."""
        return self._turns[number] if number in self._held else None

    def entered(self, number: int) -> None:
        """Is called when a viewer has come to a turn: it is counted as that turn's own from now on."""
        if number in self._held:
            self._held[number].uncount()

    def clear(self, first: int = 0) -> None:
        """Lets go of all turns from this number on."""
        for number in [number for number in self._turns if number >= first]:
            self._drop(number)
        self._hold()

    def _hold(self) -> None:
        for number in sorted(self._turns)[:MAX_HELD]:
            if number in self._turns and number not in self._held:
                tail = self._held[number] = _HeldTail(self, self._turns[number], self._hub, self._dialect)
                tail.advance()  # it may have ended since it was read

    def ended(self, number: int) -> None:
        """Is called when the log of a held turn has ended."""
        self._drop(number)
        self._hold()

    def _drop(self, number: int) -> None:
        self._turns.pop(number, None)
        if (tail := self._held.pop(number, None)) is not None:
            tail.release()


class _HeldTail:
    """A follower of a tail that writes nothing and waits for the log's end."""

    def __init__(self, turns: HeldTurns, turn: Turn, hub: Hub, dialect: ConversationDialect) -> None:
        self.position: int | None = None
        self._turns, self._hub, self._number = turns, hub, turn.number
        self._tail = hub.acquire(turn.record.id, dialect, Subject(turn.record.id))
        self._tail.broadcast.followers.add(self)
        self._counted: GenerationViewers | None = hub.audience.join(turn.record.id, turn.record.unwatched_ms)

    def advance(self) -> None:
        if self._tail.known.ended:
            self._turns.ended(self._number)

    def take(self, chunks: Mapping[int | None, bytes], end: int, now: float) -> None:
        self.advance()

    def cut(self) -> None:
        """Does nothing: it has no connection."""

    def rewind(self) -> None:
        """Does nothing: it has had nothing."""

    def uncount(self) -> None:
        """Is counted no longer."""
        counted, self._counted = self._counted, None
        if counted is not None:
            self._hub.audience.leave(counted)

    def release(self) -> None:
        """Lets the tail go."""
        self._tail.broadcast.followers.discard(self)
        self.uncount()
        self._hub.release(self._tail)
