"""The turns of a conversation as this process knows them, and what a look at the index changes of that."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from shared.conversations.conversations import Numbered
from shared.conversations.look import IndexLook

_number = attrgetter("number")


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of the turns."""

    fresh: Sequence[Numbered]
    """Those that were not known."""
    missing: Sequence[Numbered] = ()
    """Those that the index does not have any more: they were deleted, or a Redis that came back older forgot them.

    They stay in the list until it is known which."""
    moved: int | None = None
    """The number from which on it is another order than before; None where it is the same."""


class TurnList:
    """Turns in the order of their numbers, which have holes where generations were deleted."""

    def __init__(self) -> None:
        self._turns: list[Numbered] = []
        self._numbers: dict[str, int] = {}

    @property
    def newest(self) -> int:
        """Returns the number of the last; 0 where there is none."""
        return self._turns[-1].number if self._turns else 0

    def after(self, number: int, count: int) -> Sequence[Numbered]:
        """Returns the turns behind a number, `count` at most."""
        start = bisect_right(self._turns, number, key=_number)
        return self._turns[start : start + count]

    def number(self, generation_id: str) -> int | None:
        """Returns the number of a generation; None where it is not in the conversation."""
        return self._numbers.get(generation_id)

    def extend(self, look: IndexLook) -> Sequence[Numbered] | None:
        """Adds what a look from the newest on has found, and returns it; None where the index is another one now."""
        fresh = look.since
        if self._turns:
            if not fresh or fresh[0] != self._turns[-1]:
                return None
            fresh = fresh[1:]
        if look.size != len(self._turns) + len(fresh) or any(turn.id in self._numbers for turn in fresh):
            return None
        self._set([*self._turns, *fresh])
        return fresh

    def replace(self, read: Sequence[Numbered]) -> Change:
        """Takes the whole index as it was read, and returns what that changes."""
        before = {turn.number: turn.id for turn in self._turns}
        moved = min(
            (
                min(turn.number, self._numbers.get(turn.id, turn.number))
                for turn in read
                if (turn.number <= self.newest and before.get(turn.number) != turn.id)
                or self._numbers.get(turn.id, turn.number) != turn.number
            ),
            default=None,
        )  # fmt: skip
        if moved is not None:
            self._set(read)
            return Change([turn for turn in read if turn.number >= moved], moved=moved)
        fresh = [turn for turn in read if turn.id not in self._numbers]
        there = {turn.id for turn in read}
        missing = [turn for turn in self._turns if turn.id not in there]
        self._set(sorted([*read, *missing]))
        return Change(fresh, missing)

    def remove(self, turn: Numbered) -> None:
        """Takes a turn out."""
        self._set([other for other in self._turns if other != turn])

    def _set(self, turns: Sequence[Numbered]) -> None:
        self._turns = list(turns)
        self._numbers = {turn.id: turn.number for turn in turns}
