"""Cursors of a conversation's stream."""

from __future__ import annotations

import pytest

from api.viewing.conversation.cursor import (
    ConversationCursor,
    ConversationStart,
    read_conversation_cursor,
    tail_of,
)
from shared.log.events import ORIGIN, EventId

TAIL = "ab" * 16


@pytest.mark.parametrize("event_id", [ORIGIN, EventId(1767225600000, 4)])
def test_it_is_written_as_it_is_read(event_id: EventId) -> None:
    cursor = ConversationCursor(f"gen_{TAIL}", event_id)
    assert str(cursor) == f"{TAIL}.{event_id}"
    assert ConversationCursor.parse(str(cursor)) == cursor
    assert read_conversation_cursor(str(cursor)) == ConversationStart(cursor)


@pytest.mark.parametrize(
    "text",
    ["x", ".", "1-1", TAIL, f"{TAIL}.", f"{TAIL}.1", f"gen_{TAIL}.1-1", f"{TAIL.upper()}.1-1", f"{TAIL}a.1-1"],
)
def test_any_other_text_starts_over(text: str) -> None:
    with pytest.raises(ValueError, match=r"generation's|event id"):
        ConversationCursor.parse(text)
    assert read_conversation_cursor(text) == ConversationStart(reset="malformed_cursor")


def test_none_is_the_beginning() -> None:
    assert read_conversation_cursor("") == ConversationStart()
    assert tail_of(f"gen_{TAIL}") == TAIL
