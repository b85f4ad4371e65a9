"""What somebody who follows a conversation has seen of it: turns, and of each its events."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.log.events import TERMINAL_TYPES
from tests.chaos.evidence import Evidence
from tests.chaos.history import Seen, Told

BEGINS = ("generation", "begun")
"""Types of what says that a turn begins: in its place, or beside one that still runs."""


def tail_of(generation_id: str) -> str:
    """What stands before the dot in the ids of its events."""
    return generation_id.removeprefix("gen_")


@dataclass
class Turn:
    """One generation as it was told."""

    id: str
    number: int
    fresh: float | None
    """When the first event came of the flow that told it from the start; None where it went on after a cursor."""
    gone: bool = False
    events: list[Seen] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether its end was told."""
        return bool(self.events) and self.events[-1].type in TERMINAL_TYPES

    def add(self, native_id: str, event: Told) -> None:
        """One more of its own events."""
        self.events.append(Seen(native_id, event.type, event.hash, event.at))

    def at(self, evidence: Evidence) -> float:
        """When its newest event was first seen by anybody; 0 where there is none."""
        newest = self.events[-1] if self.events else None
        return 0.0 if newest is None else evidence.first_seen(self.id, newest.id, newest.at)


def in_its_log(turns: list[Turn], cursor: str) -> list[Turn]:
    """What stands of the turns for one who goes on after this cursor."""
    tail, _, native = cursor.partition(".")
    # The newest, if it was told twice, which is found wrong elsewhere.
    place = next((n for n in reversed(range(len(turns))) if tail_of(turns[n].id) == tail), None)
    assert place is not None, f"somebody resumed in {tail}, which they had not seen"
    turn = turns[place]
    ids = ["0-0", *(event.id for event in turn.events)]
    assert native in ids, f"somebody resumed after {cursor}, which they had not seen"
    del turn.events[ids.index(native) :]
    if not turn.events:
        turn.fresh = None  # what follows is all of it
    return turns[: place + 1]
