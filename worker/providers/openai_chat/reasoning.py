"""Reasoning that gateways pass on with what its maker wants back: read from an answer, written into the next request.

OpenRouter has `reasoning_details` (its page "Reasoning Tokens"), LiteLLM `thinking_blocks` (its page "'Thinking' /
'Reasoning Content'"), GitHub Copilot `reasoning_opaque` (anomalyco/opencode#8900), Databricks signed entries of type
`reasoning` in its content ("Query reasoning models"). What is opaque is tagged with the gateway, and at OpenRouter with
the format that it names, as nobody else could tell what it is.
"""

from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET, Struct, UnsetType

from shared.config.presets import PRESETS
from shared.config.provider_settings import ProviderSettings
from shared.request.dumped_reasoning import LITELLM_TAG, OPENROUTER_TAG
from shared.request.message_parts import Reasoning

COPILOT_TAG = "copilot"
DATABRICKS_TAG = "databricks"


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


def read_opaque(value: object) -> Thought | None:
    """Returns Copilot's `reasoning_opaque`; None where it is nothing to give back."""
    return Thought("opaque", COPILOT_TAG, encrypted=value) if isinstance(value, str) else None


def read_entry(item: dict[str, Any]) -> list[Thought] | None:
    """Returns what an entry of a content has of reasoning: Databricks' or Mistral's; None where it cannot be read."""
    said = next((item[name] for name in ("summary", "thinking", "reasoning", "content", "text") if item.get(name)), "")
    thoughts = [_piece(piece, item) for piece in (said if isinstance(said, list) else [said])]
    return None if None in thoughts else [thought for thought in thoughts if thought is not None]


def _piece(piece: object, entry: dict[str, Any]) -> Thought | None:
    if (text := plain_text(piece)) is None:
        return None
    fields = piece if isinstance(piece, dict) else {}
    thought = Thought(None, DATABRICKS_TAG, text=text, signature=_text(fields, "signature"))
    if thought.signature or "summary" in entry:
        thought.key = "reasoning"
    if "summary" in entry:
        thought.summary = True
    return thought


_NAMES = ("text", "content", "summary", "thinking", "reasoning", "reasoning_content", "reasoning_text", "value")


def plain_text(value: object) -> str | None:
    """Returns the text that reasoning is, as text, as an object with one, or as a list of them; None for anything else.

    An object that says anything more is none of these.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        texts = [plain_text(piece) for piece in value]
        return None if None in texts else "".join(text for text in texts if text is not None)
    if isinstance(value, dict):
        found = [said for name in _NAMES if (said := value.get(name))]
        return plain_text(found[0]) if len(found) == 1 else None if found or not value.keys() & set(_NAMES) else ""
    return None


def _text(item: dict[str, Any], field: str) -> str:
    value = item.get(field)
    return value if isinstance(value, str) else ""


def write(items: list[Reasoning], endpoint: ProviderSettings) -> dict[str, Any]:
    """Returns fields of an assistant message that hold its reasoning.

    Only reasoning of this endpoint's own is returned, and only where the endpoint wants it back.
    """
    if endpoint.reasoning in ("effort", "thinking"):
        return _opaque(items, endpoint)
    if endpoint.reasoning == "openrouter":
        sent = [_detail(item) for item in items if (item.provider or "").startswith(OPENROUTER_TAG)]
        return {"reasoning_details": sent} if sent else {}
    tags = (None, LITELLM_TAG) if endpoint.reasoning == "litellm" else (None,)
    ours = [item for item in items if item.provider in tags]
    fields: dict[str, Any] = {}
    if text := "".join(item.text for item in ours):
        # Since it was renamed, vLLM reads only `reasoning` (vllm-project/vllm#33402, #38488); Cerebras refuses the
        # other (NousResearch/hermes-agent#45655).
        fields["reasoning" if endpoint.reasoning == "reasoning" else "reasoning_content"] = text
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


def within(content: Any, items: list[Reasoning], endpoint: ProviderSettings) -> Any:
    """Returns a content with the reasoning that stands in it: Mistral's (`thinking`), and what Databricks has signed.

    Mistral wants it back where it was ("Reasoning": multi-turn conversations; vercel/ai#17930), Databricks refuses
    any other place (BerriAI/litellm#36931).
    """
    entries: list[dict[str, Any]] = []
    if endpoint.reasoning == "thinking":
        entries = [_thinking(item) for item in items if item.provider is None]
    elif not _is_another_maker(endpoint):
        entries = [_summary(item) for item in items if item.provider == DATABRICKS_TAG]
    if not entries:
        return content
    said = [{"type": "text", "text": content}] if isinstance(content, str) and content else content or []
    return [*entries, *said]


def _thinking(item: Reasoning) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": item.text}], "closed": True}


def _summary(item: Reasoning) -> dict[str, Any]:
    summary = {"type": "summary_text", "text": item.text, "signature": item.signature}
    return {"type": "reasoning", "summary": [summary]}


def _opaque(items: list[Reasoning], endpoint: ProviderSettings) -> dict[str, Any]:
    """Returns Copilot's fields: the text beside what is opaque is plain, as it came before it."""
    found = [item.encrypted for item in items if item.provider == COPILOT_TAG]
    if not found or _is_another_maker(endpoint):
        return {}
    text = "".join(item.text for item in items if item.provider in (None, COPILOT_TAG))
    return {"reasoning_text": text, "reasoning_opaque": found[-1]} if text else {"reasoning_opaque": found[-1]}


_MAKERS = {urlsplit(preset.base_url).hostname for preset in PRESETS.values() if not preset.local} | {"api.openai.com"}


def _is_another_maker(endpoint: ProviderSettings) -> bool:
    """Says whether it is a vendor who takes no opaque reasoning but their own, and may refuse a field of others."""
    host = urlsplit(endpoint.address).hostname or ""
    return host in _MAKERS or host.endswith((".api.openai.com", ".azure.com"))
