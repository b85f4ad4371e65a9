"""What the routes of conversations answer, as OpenAPI describes it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.generation import GenerationSnapshot, timestamp
from shared.conversations.conversations import About
from shared.record import State
from shared.request.limits import MAX_TITLE_CHARS


class Conversation(BaseModel):
    """A conversation, without what was said in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "trip to Rome",
                    "title": "What to see in Rome in three days?",
                    "state": "completed",
                    "created": "2026-01-31T12:00:00.000Z",
                    "updated": "2026-01-31T12:20:00.000Z",
                }
            ]
        }
    )

    id: str = Field(description="Its name, as its generations say it.")
    title: str = Field(description="The beginning of its first text, until it is given another; may be empty.")
    state: State | None = Field(description="That of its newest generation; null where none is left.")
    created: str = Field(description="When it began: ISO 8601, UTC, with milliseconds.")
    updated: str = Field(description="When its newest generation was accepted.")


class ConversationList(BaseModel):
    """A page of conversations, newest first."""

    data: list[Conversation]
    next: str | None = Field(description="Value of `before` for the next page; null at the end.")


class ConversationGeneration(GenerationSnapshot):
    """A generation of a conversation: its snapshot, and what it was asked."""

    number: int = Field(description="Its place: they count from 1; one that was deleted leaves a hole.")
    input: list[dict[str, Any]] = Field(
        description="What its request adds: the messages after the last of the assistant's, as sent, without those of "
        "the system."
    )


class ConversationPage(Conversation):
    """A conversation with some of its generations, newest first."""

    count: int = Field(description="Its generations, with those that are not on this page.")
    cursor: str | None = Field(
        description="The cursor of its stream as of this answer: what was before it is here or on further pages. Null "
        "on those, and while it has no generation."
    )
    generations: list[ConversationGeneration]
    next: int | None = Field(description="Value of `before` for the next page; null at the end.")


def conversation(about: About, state: State | None) -> dict[str, Any]:
    """Returns the fields of Conversation."""
    return {
        "id": about.id,
        "title": about.title,
        "state": state,
        "created": timestamp(about.created_ms),
        "updated": timestamp(about.updated_ms),
    }


def title_body() -> dict[str, Any]:
    """Returns the description of a body that holds a title."""
    title = {"type": "string", "minLength": 1, "maxLength": MAX_TITLE_CHARS, "description": "Printable characters."}
    schema = {"type": "object", "properties": {"title": title}, "required": ["title"], "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
