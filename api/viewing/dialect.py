"""The interface of a wire format. `viewing` does not know which one it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from shared.log.entry import RawEntry
from shared.record import DialectName, Record

ResetReason = Literal["malformed_cursor", "unknown_cursor", "trimmed"]
"""The reason why a viewer gets the log from its start."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a generation before its log is read: its record, as a dialect needs it."""

    id: str
    created_ms: int = 0
    """When it was accepted, on Redis' clock (ms since the epoch)."""
    model: str = ""
    """The model's name as the caller wrote it."""
    dialect: DialectName = "native"
    """In which it was asked for."""
    echo: dict[str, Any] = field(default_factory=dict)
    """What the answers of that dialect repeat of the request (`shared.record.Asked`)."""


class Framer(Protocol):
    """Turns one log into frames, from its start: a pure function of its subject and of the entries so far.

    The same entries give the same bytes, whenever and wherever they are framed.
    """

    epoch: int
    """Number of the first attempt whose text stands, where the dialect has no word for starting over; else 1.

    An attempt that said nothing stands: nothing of it is void. When this grows, all frames so far are void, and what
    `frames` returns with that entry begins anew.
    """

    def opening(self) -> Sequence[bytes]:
        """Returns the events that the record alone makes, before the first of the log."""

    def frames(self, entry: RawEntry, /) -> Sequence[bytes]:
        """Returns the dialect's events that an entry makes, each with all of its bytes on the wire; none, one or more.

        An entry of an unknown type makes none.
        """


class Dialect(Protocol):
    """A wire format: a framer for each log, and the frames beside a log's events."""

    heartbeat: bytes
    """The frame that is sent after a silence, between two writes."""
    drain: bytes
    """The frame which says that this node is going away; where it is empty, the stream is broken off uncleanly."""
    ending: bytes
    """What follows the last event, and is none itself."""

    @property
    def name(self) -> str:
        """Returns its name, by which a log's tails are told apart."""
        ...

    def framer(self, subject: Subject, /) -> Framer:
        """Returns a framer that has seen nothing of the log so far."""

    def opening(self) -> bytes:
        """Returns what each stream begins with, and is no event."""

    def queued(self, generation_id: str, position: int | None, /) -> bytes:
        """Returns the place in line, 1 for the next; None once a worker has it. It may be empty."""

    def reset(self, reason: ResetReason, /) -> bytes:
        """Returns the frame which says that what follows starts from the beginning of the log.

        Where it is empty, the stream is broken off uncleanly.
        """


class BaseDialect(Dialect, Protocol):
    """The dialect in which a log is told to whoever asks for no other."""

    def viewers(self, count: int, /) -> bytes:
        """Returns the frame which says how many viewers there are."""


class ConversationDialect(Dialect, Protocol):
    """The dialect of a conversation's stream: each log in words of its own, and frames between them."""

    def begun(self, number: int, record: Record, /, *, in_turn: bool) -> bytes:
        """Returns the frame that says which generation begins; its events follow if it is `in_turn`."""

    def gone(self, generation_id: str, /) -> bytes:
        """Returns the frame which says that a generation is not there (any more)."""

    def trimmed(self, generation_id: str, /) -> bytes:
        """Returns the frame which says that the beginning of a generation's log is not there."""

    def turn_viewers(self, generation_id: str, count: int, /) -> bytes:
        """Returns the frame which says how many viewers a generation has."""


class Telling(NamedTuple):
    """In which dialect a log is told, and what that must know of the generation beforehand."""

    dialect: Dialect
    subject: Subject
