"""What becomes of each field of a Messages request (API reference: "Create a Message", also its beta; both SDK majors).

A provider of the same protocol gets those that only it can honour, by `extra`. Anywhere else they are refused, or
ignored where that cannot change the answer.
"""

from collections.abc import Mapping
from typing import Any

MAPPED = frozenset(
    {
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""Fields that a request of ours has, under this name or another."""

OURS = frozenset(
    {
        "cache",
        "conversation",
        "deadline",
        "extra",
        "fallback",
        "idle_timeout",
        "on_interrupt",
        "on_unwatched",
        "reasoning_budget",
        "ttl",
    }
)
"""Fields of ours that are taken as they are; `metadata` is Anthropic's."""

PASSED_OR_REFUSED: Mapping[str, str] = {
    "billing_policy": "says who pays, which only Anthropic can do",
    "container": "runs tools in Anthropic's containers",
    "context_management": "has Anthropic write a summary of the conversation",
    "fallbacks": "has Anthropic ask another model; give fallback, which asks any provider's",
    "inference_geo": "says where Anthropic computes",
    "mcp_servers": "has Anthropic call servers of MCP",
}
"""Fields that a provider of the same protocol gets, and why no other can honour them."""

PASSED_OR_IGNORED: Mapping[str, str] = {
    "betas": "names what a request uses of Anthropic's beta, which is looked at field by field here",
    "cache_control": "marks what to cache, which changes the price and not the answer",
    "fallback_credit_token": "changes the price, and not the answer",
    "speed": "changes how fast the answer comes, and not the answer",
}
"""Fields that a provider of the same protocol gets, and why any other may do without."""

IGNORED: Mapping[str, str] = {
    "diagnostics": "asks about the cache by the id of an earlier answer, which is ours and not Anthropic's",
    "user_profile_id": "the SDKs send it as a header",
    "workspace_id": "the SDKs send it as a header",
}
"""Fields that nobody gets, and why the answer is the same without."""

REFUSED: Mapping[str, str] = {
    "compaction": "ends in a block that no answer of ours has; let the client make the conversation shorter",
    "thread": "has Anthropic keep the conversation by the answer's id, which is ours; send all messages",
}
"""Fields that nobody can honour here, and why."""

REFUSED_AS: Mapping[str, str] = {"thread": "thread_unsupported_request"}
"""Anthropic's own codes for such a refusal. By this one its SDKs' tool runner, which asks for a thread unless told not
to, sends the request again with all messages and without a thread (anthropic 2.11, `lib/threads/_thread_state.py`)."""


def only_clears(context_management: Any) -> bool:
    """Says whether it only takes away what the model has read before, so that another model may read it again."""
    edits = context_management.get("edits") if isinstance(context_management, dict) else None
    return isinstance(edits, list) and all(
        isinstance(edit, dict) and str(edit.get("type")).startswith("clear_") for edit in edits
    )
