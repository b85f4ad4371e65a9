"""Why an answer ended, in the words of Messages (API reference: `stop_reason`; "Handling stop reasons")."""

from typing import Any

from msgspec import UNSET

from shared.log.events import Completed

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "paused": "pause_turn",
    "other": "end_turn",
}
_NARROWER = {"stop": "stop_sequence", "length": "model_context_window_exceeded"}
"""What Anthropic may say instead, by our word for it."""

_CATEGORIES = frozenset({"cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"})
"""Anthropic's categories of refusals (API reference: `stop_details`); those of others have no name there."""


def ending(completed: Completed, *, refused: bool) -> dict[str, Any]:
    """Returns the fields of a message that say why it ended; `refused` says that the model said so in a part."""
    reason = _REASONS[completed.finish_reason]
    narrower = _NARROWER.get(completed.finish_reason)
    sequence = None if completed.stop_sequence is UNSET else completed.stop_sequence
    if narrower and (completed.raw_finish_reason == narrower or (narrower == "stop_sequence" and sequence is not None)):
        reason = narrower
    if refused and reason == "end_turn":
        reason = "refusal"
    fields: dict[str, Any] = {"stop_reason": reason, "stop_sequence": sequence}
    if reason == "refusal" and completed.refusal_category is not UNSET:
        category = completed.refusal_category if completed.refusal_category in _CATEGORIES else None
        details = {"type": "refusal", "category": category, "explanation": None}
        fields["stop_details"] = details
    return fields
