"""The native dialect of a conversation's stream: events of several logs, whose ids say of which they are.

The docstrings of the fields are those of /openapi.json.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec
from msgspec import Struct

from api.dialects.native.beside import Reset
from api.dialects.native.events import EVENT_FRAME, NativeDialect
from api.schemas.generation import timestamp
from api.viewing.conversation.cursor import ConversationCursor, tail_of
from api.viewing.dialect import Framer, ResetReason, Subject
from shared.log.entry import RawEntry
from shared.record import Record

RESET_MESSAGES: Mapping[ResetReason, str] = {
    "malformed_cursor": "The cursor is malformed; the conversation follows from its start.",
    "unknown_cursor": "The cursor is of no event of this conversation, or what was told is not so any more; it follows "
    "from its start.",
}
"""The message of a `reset`, by its reason."""


class Begins(Struct):
    """A generation of the conversation begins: its events follow, up to its terminal event."""

    type: ClassVar[str] = "generation"
    generation: str
    """Its id."""
    number: int
    """Its number in the conversation. They grow; one that was deleted leaves a hole."""
    previous: str | None
    """Id of the generation that it goes on from, where its request named one."""
    model: str
    """`provider/model`, aliases resolved."""
    created: str
    """ISO 8601, UTC, with milliseconds."""


class Begun(Begins):
    """A generation has begun while an earlier one runs: its own `generation` and events follow in its turn."""

    type: ClassVar[str] = "begun"


class Gone(Struct):
    """A generation is not there any more: it was deleted, or has expired. What you have of it is superseded."""

    type: ClassVar[str] = "gone"
    generation: str
    """Its id."""


class Trimmed(Struct):
    """The beginning of a generation's log was removed; what is left of it follows."""

    type: ClassVar[str] = "trimmed"
    generation: str
    """Its id."""


class TurnViewers(Struct):
    """How many watch a generation now, over all nodes: at first, and when that has changed."""

    type: ClassVar[str] = "viewers"
    id: str
    """The generation's id."""
    viewers: int
    """Open event streams and waiting answers, yours among them."""


class TurnFramer:
    """Frames a log's entries as they are, each by itself, with ids that begin with the tail of the generation's."""

    epoch = 1

    def __init__(self, generation_id: str) -> None:
        self._prefix = f"{tail_of(generation_id)}.".encode()

    def opening(self) -> tuple[bytes, ...]:
        return ()

    def frames(self, entry: RawEntry) -> tuple[bytes]:
        event_id, (type, data) = entry
        return (EVENT_FRAME % (type, data, self._prefix + event_id),)


class TurnDialect(NativeDialect):
    """The native dialect, of one generation after the other."""

    name = "conversation"

    def framer(self, subject: Subject) -> Framer:
        return TurnFramer(subject.id)

    def reset(self, reason: ResetReason) -> bytes:
        return _frame(Reset(reason, RESET_MESSAGES[reason]))

    def begun(self, number: int, record: Record, *, in_turn: bool) -> bytes:
        kind = Begins if in_turn else Begun
        event = kind(record.id, number, record.previous, record.model, timestamp(record.created_ms))
        if not in_turn:
            return _frame(event)
        cursor = str(ConversationCursor(record.id)).encode()
        return EVENT_FRAME % (event.type.encode(), msgspec.json.encode(event), cursor)

    def gone(self, generation_id: str) -> bytes:
        return _frame(Gone(generation_id))

    def trimmed(self, generation_id: str) -> bytes:
        return _frame(Trimmed(generation_id))

    def turn_viewers(self, generation_id: str, count: int) -> bytes:
        return _frame(TurnViewers(generation_id, count))


def _frame(event: Begins | Gone | Trimmed | TurnViewers | Reset) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.type.encode(), msgspec.json.encode(event))
