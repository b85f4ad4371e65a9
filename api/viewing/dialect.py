"""The interface of a wire format. `viewing` does not know which one it is."""

from typing import Literal, Protocol

from shared.log.entry import RawEntry

ResetReason = Literal["malformed_cursor", "unknown_cursor", "trimmed"]
"""The reason why a viewer gets the log from its start."""


class Framer(Protocol):
    """Turns events into bytes. It keeps nothing: an event has the same bytes whenever and wherever it is framed."""

    def frame(self, entry: RawEntry, /) -> bytes:
        """Returns one event on the wire: no frame, one, or several in one piece."""


class Dialect(Framer, Protocol):
    """A wire format: a framer, and the frames beside the log's events."""

    heartbeat: bytes
    """The frame that is sent after a silence, between two writes."""
    drain: bytes
    """The frame which says that this node is going away."""

    def opening(self) -> bytes:
        """Returns what each stream begins with."""

    def queued(self, generation_id: str, position: int | None, /) -> bytes:
        """Returns the place in line, 1 for the next; None once a worker has it."""

    def reset(self, reason: ResetReason, /) -> bytes:
        """Returns the frame which says that what follows starts from the beginning of the log."""
