"""What is open by a grant: viewers, and who waits for an end. When the grant ends, so do they."""

from collections.abc import Collection
from typing import Protocol


class Revocable(Protocol):
    """Something that ends with the grant by which it was let in."""

    def revoke(self) -> None:
        """Is called once the grant has ended."""


class Granted:
    """Holds what is open by each grant; what was let in without one is not here, as nothing can end it."""

    def __init__(self) -> None:
        self._open: dict[str, set[Revocable]] = {}

    @property
    def grants(self) -> Collection[str]:
        """Returns the grants by which something is open."""
        return self._open.keys()

    def add(self, grant: str, held: Revocable) -> None:
        """Notes that something is open by this grant; nothing where it is empty."""
        if grant:
            self._open.setdefault(grant, set()).add(held)

    def discard(self, grant: str, held: Revocable) -> None:
        """Notes that it is over."""
        if (held_by := self._open.get(grant)) is not None:
            held_by.discard(held)
            if not held_by:
                del self._open[grant]

    def end(self, grants: Collection[str]) -> int:
        """Ends what is open by these grants; returns how much that was."""
        ended = [held for grant in grants for held in self._open.get(grant, ())]
        for held in ended:
            held.revoke()
        return len(ended)
