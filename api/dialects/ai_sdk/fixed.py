"""What the operator has fixed of a chat (`[chat]`), so that a browser cannot choose it."""

from typing import Any

from api.dialects.api_dialect import FixedBody
from shared.config.settings import Settings

_AROUND = ("fallback", "extra")
"""Fields with which a caller would choose a model, or a provider's own words for what is fixed, all the same."""
_CHOICE = ("toolChoice", "tool_choice")
"""Fields that mean nothing without tools, and would be refused."""


def fixed(body: dict[str, Any], settings: Settings) -> FixedBody:
    """Returns a body with what is fixed in the place of what its caller chose."""
    chat = settings.chat
    values: dict[str, Any] = {}
    if chat.model is not None:
        values["model"] = chat.model
    if chat.system is not None:
        values["system"] = chat.system
    if chat.tools is not None:
        values["tools"] = {name: tool.model_dump(exclude_none=True) for name, tool in chat.tools.items()} or None
    if not values:
        return FixedBody(body, ())
    dropped = (*_AROUND, *(_CHOICE if chat.tools == {} else ()))
    ignored = [
        name for name in (*values, *dropped) if body.get(name) is not None and body.get(name) != values.get(name)
    ]
    kept = {name: value for name, value in body.items() if name not in dropped} | values
    if chat.system is not None and isinstance(given := kept.get("messages"), list):
        # None, so that the places of the others stay what they are in the body.
        kept["messages"] = [None if _is_system(message) else message for message in given]
        if any(map(_is_system, given)):
            ignored.append("messages.system")
    return FixedBody(kept, tuple(ignored))


def _is_system(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "system"
