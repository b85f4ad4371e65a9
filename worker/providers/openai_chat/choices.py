"""Which choice is the answer: we ask for one, but some number it 1, or count its index up with each chunk."""

from collections.abc import Sequence

from worker.providers.openai_chat.chunk import Choice

_COUNTED_CHUNKS = 8
"""Chunks in a row, each with an index of its own, that are one answer; nobody asks for as many answers at once."""

_WAITING_CHUNKS = 64
"""Chunks in a row with higher indexes, as gateways send that number contents and not answers: several answers that are
made at once come by turns."""


class Choices:
    """Tells the answer's choice from others. What may be either waits for the next chunks."""

    def __init__(self) -> None:
        self._index: int | None = None
        self._several = False
        self._counts = False
        self._finished = False
        self._waiting: list[Choice] = []

    @property
    def waits(self) -> Choice | None:
        """The last of those that wait."""
        return self._waiting[-1] if self._waiting else None

    def take(self, choices: Sequence[Choice]) -> tuple[Sequence[Choice], Sequence[Choice]]:
        """Returns what is now known to be of the answer, and what is now known to be of others."""
        if len(choices) == 1 and not self._waiting and (choices[0].index or 0) == self._index:
            if choices[0].finish_reason:
                self._finished = self._finished or _ends(choices[0])
            return choices, ()
        if len({choice.index or 0 for choice in choices}) > 1:
            return self._split(choices)
        taken: list[Choice] = []
        others: list[Choice] = []
        for choice in choices:
            ours, theirs = self._sort(choice)
            taken += ours
            others += theirs
        self._finished = self._finished or any(map(_ends, taken))
        return taken, others

    def rest(self) -> tuple[Sequence[Choice], Sequence[Choice]]:
        """Returns what has waited, as nothing more comes: of several that each came to an end, one is the answer."""
        waiting, self._waiting = self._waiting, []
        ends = self._finished + sum(map(_ends, waiting))
        if ends <= 1:
            return waiting, ()
        if self._index is None and waiting:
            self._index = waiting[0].index or 0
        return [one for one in waiting if (one.index or 0) == self._index], [
            one for one in waiting if (one.index or 0) != self._index
        ]

    def _sort(self, choice: Choice) -> tuple[Sequence[Choice], Sequence[Choice]]:
        index = choice.index or 0
        if self._several:
            return self._split([choice])
        if self._counts:
            self._index = index
            return [choice], ()
        if self._index is None and not self._waiting:
            if index == 0:
                self._index = 0
                return [choice], ()
            self._waiting = [choice]
            return (), ()
        last = (self._waiting[-1].index or 0) if self._waiting else self._index or 0
        if index == last and (self._index is None or not self._waiting):
            self._index = index
            return self._release(choice)
        again = index < last or (index == last and self._finished) or any(map(_ends, self._waiting))
        if again and _says(choice):
            return self._split([choice])
        self._waiting.append(choice)
        return self._decide()

    def _decide(self) -> tuple[Sequence[Choice], Sequence[Choice]]:
        """Looks whether those that wait are enough to know what they are."""
        if len({choice.index for choice in self._waiting if _says(choice)}) >= _COUNTED_CHUNKS:
            self._counts = True
        elif len(self._waiting) < _WAITING_CHUNKS:
            return (), ()
        elif self._finished:
            return self._split([])
        self._counts = True
        self._index = self._waiting[-1].index or 0
        return self._release()

    def _release(self, *choices: Choice) -> tuple[Sequence[Choice], Sequence[Choice]]:
        waiting, self._waiting = self._waiting, []
        return [*waiting, *choices], ()

    def _split(self, choices: Sequence[Choice]) -> tuple[Sequence[Choice], Sequence[Choice]]:
        """There are several: the first to speak, else the lowest, is the answer."""
        self._several = True
        waiting, self._waiting = self._waiting, []
        choices = [*waiting, *choices]
        if self._index is None:
            self._index = min(choice.index or 0 for choice in choices)
        taken = [choice for choice in choices if (choice.index or 0) == self._index]
        return taken, [choice for choice in choices if (choice.index or 0) != self._index]


def _says(choice: Choice) -> bool:
    delta = choice.said or choice.message
    return delta is not None and bool(delta.content or delta.thinks or delta.tool_calls or delta.refusal)


def _ends(choice: Choice) -> bool:
    return (choice.finish_reason or "null").lower() not in ("null", "none")
