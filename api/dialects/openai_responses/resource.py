"""The response object: what was asked, how it stands, and what was said (API reference: "The response object")."""

from typing import Any

from msgspec import UNSET

from api.dialects.names import PREFIXES, name_of
from api.viewing.dialect import Subject
from shared.log.events import Usage

DEFAULTS: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
"""What a response says of a request that did not say it."""

TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
"""Tiers that OpenAI has; other providers' own words are not told, as SDKs know these."""


def echoed(subject: Subject) -> dict[str, Any]:
    """Returns what a response repeats of the request; of one in another dialect nothing is known."""
    return subject.echo if subject.dialect == "openai-responses" else {}


def resource(
    subject: Subject,
    status: str,
    output: list[dict[str, Any]],
    *,
    completed_at: int | None = None,
    error: dict[str, Any] | None = None,
    cut: str | None = None,
    usage: Usage | None = None,
    tier: str | None = None,
) -> dict[str, Any]:
    """Returns the response object. `cut` is why it is incomplete."""
    asked = DEFAULTS | echoed(subject)
    return {
        "id": name_of(PREFIXES["openai-responses"], subject.id),
        "object": "response",
        "created_at": subject.created_ms // 1000,
        "status": status,
        "completed_at": completed_at,
        "error": error,
        "incomplete_details": None if cut is None else {"reason": cut},
        "model": subject.model,
        "output": output,
        **asked,
        "service_tier": tier if tier in TIERS else asked["service_tier"],
        "usage": None if usage is None else usage_of(usage),
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    """Returns the counts; those of audio are told where there are any."""
    asked: dict[str, int] = {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens}
    answered: dict[str, int] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.audio_input_tokens is not UNSET:
        asked["audio_tokens"] = usage.audio_input_tokens
    if usage.audio_output_tokens is not UNSET:
        answered["audio_tokens"] = usage.audio_output_tokens
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": asked,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": answered,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
