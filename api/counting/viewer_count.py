"""A count of viewers: how many this node has of one thing, and the others as far as is known."""

from __future__ import annotations

from typing import Protocol

NEVER = float("-inf")
"""A time before all others."""


class Asker(Protocol):
    """A viewer that wants to know how many there are."""

    def offer(self, frame: bytes, /) -> bool:
        """Takes a frame where there is room for it now; returns whether it has."""


class ViewerCount:
    """The viewers of one thing. Its key is that under which nodes note them."""

    __slots__ = ("here", "key", "others", "written", "written_at")

    def __init__(self, key: str) -> None:
        self.key = key
        self.here = 0
        """Those of this node."""
        self.others = 0
        """Those of all other nodes, when they were last read."""
        self.written = 0
        """Those of this node, as last noted."""
        self.written_at = NEVER
        """When that was; the others' were read then too."""

    @property
    def is_read(self) -> bool:
        """Says whether somebody waits for news of the other nodes."""
        return False

    def told(self, now: float) -> int:
        """Returns what the other nodes are to know of this one's viewers."""
        return self.here


class GenerationViewers(ViewerCount):
    """The viewers of a generation, which other nodes are told of only where somebody wants to know."""

    __slots__ = ("after_ms", "askers", "generation_id", "wanted_until")

    def __init__(self, generation_id: str, key: str) -> None:
        super().__init__(key)
        self.generation_id = generation_id
        self.after_ms: int | None = None
        """After how long without a viewer it is cancelled; None for never, and where that is not known here."""
        self.askers: dict[Asker, int | None] = {}
        """Viewers that are told how many there are, each with what it was told last."""
        self.wanted_until = NEVER
        """Until when another node wants to know."""

    @property
    def is_read(self) -> bool:
        return bool(self.askers)

    @property
    def total(self) -> int:
        """Returns the viewers at all nodes."""
        return self.here + self.others

    def told(self, now: float) -> int:
        wanted = self.after_ms is not None or self.askers or now < self.wanted_until
        return self.here if wanted else 0
