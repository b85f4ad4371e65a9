"""Reasoning that gateways pass on with what its maker wants back: read from an answer, written into the next request.

OpenRouter has `reasoning_details` (its page "Reasoning Tokens"), LiteLLM `thinking_blocks` (its page "'Thinking' /
'Reasoning Content'"). What is opaque is tagged with the gateway, and at OpenRouter with the format that it names, as
nobody else could tell what it is.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from shared.config.provider_settings import ProviderSettings
from shared.request.dumped_reasoning import LITELLM_TAG, OPENROUTER_TAG
from shared.request.generation_request import Reasoning


class Thought(Struct):
    """A piece of reasoning. Pieces of one `key` are one part; what is encrypted is a part by itself."""

    key: object
    provider: str
    text: str = ""
    summary: bool | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    signature: str = ""
    encrypted: str = ""


def read_detail(item: object) -> Thought | None:
    """Returns one of OpenRouter's `reasoning_details`; None where it is of no known type."""
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    thought = Thought((kind, item.get("index")), f"{OPENROUTER_TAG}{item.get('format') or 'unknown'}")
    if isinstance(item.get("id"), str):
        thought.item_id = item["id"]
    match kind:
        case "reasoning.text":
            thought.text, thought.signature = _text(item, "text"), _text(item, "signature")
        case "reasoning.summary":
            thought.text, thought.summary = _text(item, "summary"), True
        case "reasoning.encrypted":
            thought.encrypted = _text(item, "data")
        case _:
            return None
    return thought


def read_block(item: object) -> Thought | None:
    """Returns one of LiteLLM's `thinking_blocks`; None where it is of no known type."""
    if not isinstance(item, dict):
        return None
    match item.get("type"):
        case "thinking":
            return Thought("thinking", LITELLM_TAG, text=_text(item, "thinking"), signature=_text(item, "signature"))
        case "redacted_thinking":
            return Thought("redacted_thinking", LITELLM_TAG, encrypted=_text(item, "data"))
        case _:
            return None


def _text(item: dict[str, Any], field: str) -> str:
    value = item.get(field)
    return value if isinstance(value, str) else ""


def write(items: list[Reasoning], endpoint: ProviderSettings) -> dict[str, Any]:
    """Returns fields of an assistant message that hold its reasoning.

    Only reasoning of this endpoint's own is returned, and only where the endpoint wants it back.
    """
    if endpoint.reasoning == "effort":
        return {}
    if endpoint.reasoning == "openrouter":
        sent = [_detail(item) for item in items if (item.provider or "").startswith(OPENROUTER_TAG)]
        return {"reasoning_details": sent} if sent else {}
    tags = (None, LITELLM_TAG) if endpoint.reasoning == "litellm" else (None,)
    ours = [item for item in items if item.provider in tags]
    fields: dict[str, Any] = {}
    if text := "".join(item.text for item in ours):
        fields["reasoning_content"] = text
    if sent := [_block(item) for item in ours if item.signature or item.encrypted]:
        fields["thinking_blocks"] = sent
    return fields


def _detail(item: Reasoning) -> dict[str, Any]:
    detail: dict[str, Any] = {"format": (item.provider or "").removeprefix(OPENROUTER_TAG)}
    if item.item_id is not None:
        detail["id"] = item.item_id
    if item.encrypted:
        return detail | {"type": "reasoning.encrypted", "data": item.encrypted}
    if item.summary:
        return detail | {"type": "reasoning.summary", "summary": item.text}
    return detail | {"type": "reasoning.text", "text": item.text, "signature": item.signature}


def _block(item: Reasoning) -> dict[str, Any]:
    if item.encrypted:
        return {"type": "redacted_thinking", "data": item.encrypted}
    return {"type": "thinking", "thinking": item.text, "signature": item.signature}
