"""What an operator fixes of the AI SDK's chats, `[chat]` in `midstream.toml`, so that a browser cannot choose it.

Every field ends with its default.
"""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from shared.config.allowed_values import CheckedModel
from shared.config.variables import Text


def _table(value: Any) -> Any:
    """Returns the table that a variable has as JSON."""
    if not isinstance(value, Text):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


class ChatToolSettings(CheckedModel):
    """A tool of every chat, whose calls the browser answers: `[chat.tools.NAME]`."""

    description: str | None = Field(default=None, description="What it does, for the model. Defaults to none.")
    parameters: dict[str, Any] | None = Field(
        default=None, description="JSON Schema of its arguments. Defaults to none."
    )


class ChatSettings(CheckedModel):
    """What is fixed for all chats of `POST /api/chat`."""

    model: str | None = Field(
        default=None,
        description="Model or alias that every chat asks. Defaults to none: the request names one, else "
        "`default_model` counts.",
    )
    system: str | None = Field(
        default=None, description="Instructions of every chat. Defaults to none: the request has its own."
    )
    tools: Annotated[dict[str, ChatToolSettings] | None, BeforeValidator(_table)] = Field(
        default=None,
        description="Tools of every chat by their names, each with `description` and `parameters` (JSON Schema); an "
        "empty table is none at all. Defaults to none: the request has its own.",
    )
