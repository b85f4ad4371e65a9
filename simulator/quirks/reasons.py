"""Where the protocols with a finish reason have it."""

from typing import Any

from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, GEMINI, MESSAGES

WITH_REASON = (CHAT, MESSAGES, GEMINI)
"""Responses has a whole response at the end, and no reason."""


def _holder(data: Any) -> tuple[dict[str, Any], str] | None:
    """The object that has the finish reason, or would have it, and its field."""
    if not isinstance(data, dict):
        return None
    if data.get("choices"):
        return data["choices"][0], "finish_reason"
    if data.get("candidates"):
        return data["candidates"][0], "finishReason"
    if data.get("type") == "message_delta":
        return data["delta"], "stop_reason"
    return (data["message"], "stop_reason") if data.get("type") == "message_start" else None


def reason_of(event: Event) -> str | None:
    """The finish reason that an event has."""
    holder = _holder(event.data)
    return holder[0].get(holder[1]) if holder else None


def set_reason(event: Event, reason: str) -> bool:
    """Give an event this finish reason; False where it has no place for one."""
    holder = _holder(event.data)
    if holder:
        holder[0][holder[1]] = reason
    return holder is not None
