"""The message object of an answer, as it is before anything was said."""

from typing import Any

from api.dialects.anthropic_messages.usage import usage_of
from api.dialects.names import PREFIXES, name_of
from api.viewing.dialect import Subject


def message_of(subject: Subject, epoch: int = 1) -> dict[str, Any]:
    """Returns the message of a generation of which only the record is known."""
    return {
        "id": name_of(PREFIXES["anthropic"], subject.id, epoch),
        "type": "message",
        "role": "assistant",
        "model": subject.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_of(None),
    }
