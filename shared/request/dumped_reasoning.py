"""Reasoning of an earlier answer, under the names that providers, gateways and SDKs have for it.

DeepSeek, Qwen, vLLM and many others say `reasoning_content`, OpenRouter, Groq, Ollama and newer vLLM `reasoning`, and
Copilot `reasoning_text`: one text. OpenRouter's `reasoning_details` (its page "Reasoning Tokens") and LiteLLM's
`thinking_blocks` (its page "'Thinking' / 'Reasoning Content'") are lists, with what their maker wants back.
"""

from collections.abc import Callable
from typing import Any

TEXT_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")
OPENROUTER_TAG = "openrouter/"
"""Begins the `provider` of its reasoning; what follows is the format, as nobody else could tell what it is."""
LITELLM_TAG = "litellm"
GEMINI_TAG = "gemini"
"""Whose the signatures of calls are that LiteLLM has in fields of its own."""


def put_in_place(message: dict[str, Any]) -> bool:
    """Makes such reasoning the `reasoning` of a message, in place; says whether there was any.

    The text beside a list repeats it. What is of no known kind stays where it is.
    """
    if isinstance(message.get("reasoning"), list):
        return False
    found = {name: value for name in TEXT_FIELDS if isinstance(value := message.get(name), str)}
    entries = [{"text": text} for text in dict.fromkeys(found.values()) if text]
    lists: dict[str, Callable[[Any], dict[str, Any] | None]] = {"thinking_blocks": _block, "reasoning_details": _detail}
    for name, read in lists.items():
        if not (isinstance(items := message.get(name), list) and items):
            continue
        made = [read(item) for item in items]
        if None in made:
            return False
        entries = [entry for entry in made if entry]
        del message[name]
        break
    else:
        if not found:
            return False
    for name in found:
        del message[name]
    if entries:
        message["reasoning"] = entries
    return True


def sign(call: dict[str, Any], holder: dict[str, Any]) -> bool:
    """Gives a call the signature that LiteLLM has in it, or in its function; says whether there was one.

    `provider_specific_fields` has Gemini's: LiteLLM's page "Gemini", thought signatures.
    """
    fields = holder.get("provider_specific_fields")
    if not (isinstance(fields, dict) and fields.keys() == {"thought_signature"}):
        return False
    if not isinstance(signature := fields["thought_signature"], str):
        return False
    del holder["provider_specific_fields"]
    if signature and not call.get("signature"):
        call |= {"signature": signature, "provider": GEMINI_TAG}
    return True


def _block(item: Any) -> dict[str, Any] | None:
    """Returns one of LiteLLM's as ours, {} where it says nothing; None where it is of another kind."""
    match item:
        case {"type": "thinking", "thinking": str(text)}:
            signature = item.get("signature")
            # Without a signature it is plain text.
            return _said(text=text, signature=signature, provider=LITELLM_TAG if signature else None)
        case {"type": "redacted_thinking", "data": str(data)}:
            return _said(encrypted=data, provider=LITELLM_TAG)
    return None


def _detail(item: Any) -> dict[str, Any] | None:
    """Returns one of OpenRouter's as ours, {} where it says nothing; None where it is of another kind."""
    if not isinstance(item, dict):
        return None
    whose = {"provider": f"{OPENROUTER_TAG}{item.get('format') or 'unknown'}", "item_id": item.get("id")}
    match item.get("type"):
        case "reasoning.text":
            return _said(text=item.get("text"), signature=item.get("signature"), **whose)
        case "reasoning.summary":
            return _said(text=item.get("summary"), summary=True, **whose)
        case "reasoning.encrypted":
            return _said(encrypted=item.get("data"), **whose)
    return None


def _said(**fields: Any) -> dict[str, Any]:
    said = any(fields.get(name) for name in ("text", "signature", "encrypted"))
    return {name: value for name, value in fields.items() if value is not None} if said else {}
