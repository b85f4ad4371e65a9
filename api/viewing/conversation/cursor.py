"""The cursor of a conversation's stream: the tail of a generation's id, and an event id of its log."""

import re
from typing import NamedTuple, Self

from api.viewing.dialect import ResetReason
from shared.log.events import ORIGIN, EventId

_PREFIX = "gen_"
_TAIL = re.compile(r"[a-z2-7]{32}")


def tail_of(generation_id: str) -> str:
    """Returns what a generation's ids are called by in a conversation's stream."""
    return generation_id.removeprefix(_PREFIX)


class ConversationCursor(NamedTuple):
    """`<tail>.<event id>`: the place after this event of this generation.

    The event id is that of no event, `0-0`, right after a generation's beginning was told.
    """

    generation_id: str
    event_id: EventId = ORIGIN

    def __str__(self) -> str:
        return f"{tail_of(self.generation_id)}.{self.event_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the cursor of a `Last-Event-ID`. Raises ValueError."""
        tail, _, event_id = text.partition(".")
        if not _TAIL.fullmatch(tail):
            raise ValueError("no generation's")
        return cls(_PREFIX + tail, EventId.parse(event_id))


class ConversationStart(NamedTuple):
    """Where a viewer begins: after `cursor`; where it starts over, `reset` is the reason, which it is sent first."""

    cursor: ConversationCursor | None = None
    reset: ResetReason | None = None


def read_conversation_cursor(text: str) -> ConversationStart:
    """Returns the start that a `Last-Event-ID` asks for; an empty one, as browsers send it, is none."""
    if not text:
        return ConversationStart()
    try:
        return ConversationStart(ConversationCursor.parse(text))
    except ValueError:
        return ConversationStart(reset="malformed_cursor")
