"""Token counts as Messages has them (API reference: `usage`; "Prompt caching")."""

from typing import Any

from msgspec import UNSET

from shared.log.events import Usage

_TIERS = {"standard": "standard", "priority": "priority", "batch": "batch", "default": "standard"}
"""Tiers by the names of Anthropic and OpenAI; of others Messages has no word."""
_SERVER_TOOLS = {"web_search_requests": 0, "web_fetch_requests": 0}
"""Counts that are always there where any is."""


def usage_of(usage: Usage | None, service_tier: str | None = None) -> dict[str, Any]:
    """Returns the counts. `input_tokens` are those that were neither read from the cache nor written to it."""
    usage = usage or Usage()
    counts: dict[str, Any] = {
        "input_tokens": max(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_write_5m_tokens is not UNSET or usage.cache_write_1h_tokens is not UNSET:
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens or 0,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens or 0,
        }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.server_tool_calls:
        counts["server_tool_use"] = _SERVER_TOOLS | usage.server_tool_calls
    if tier := _TIERS.get(service_tier or ""):
        counts["service_tier"] = tier
    return counts
