"""What the routes of conversations answer."""

from __future__ import annotations

from api.schemas.conversation import Conversation, conversation, title_body
from shared.conversations.conversations import About


def test_a_conversation_as_it_is_told() -> None:
    told = Conversation.model_validate(conversation(About("chat", "ann", "Hello", 1_000, 2_000), "running"))
    assert told.model_dump() == {
        "id": "chat",
        "title": "Hello",
        "state": "running",
        "created": "1970-01-01T00:00:01.000Z",
        "updated": "1970-01-01T00:00:02.000Z",
    }


def test_a_title_is_needed() -> None:
    schema = title_body()["requestBody"]["content"]["application/json"]["schema"]
    assert (schema["required"], schema["additionalProperties"]) == (["title"], False)
