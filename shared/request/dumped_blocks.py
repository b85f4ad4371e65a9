"""An answer in blocks, as Anthropic's SDK and those of compatible endpoints dump it (API reference: `Message`).

Its thinking and its calls stand among the texts there; here they have fields of their own.
"""

import json
from typing import Any

ORIGIN = "anthropic"
_ORDER = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}
"""What is said before what in a message of ours; blocks in another order get their places (`part`)."""

_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def put_in_place(message: dict[str, Any]) -> bool:
    """Makes the blocks of an assistant message fields of ours, in place; says whether there were any.

    What is of no known kind stays as it is, for the validation to name.
    """
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    kinds = [block.get("type") if isinstance(block, dict) else None for block in blocks]
    if not any(kind in _ORDER and kind != "text" for kind in kinds) or message.get("tool_calls"):
        return False
    places = [_ORDER.get(kind, -1) if isinstance(kind, str) else -1 for kind in kinds]
    if -1 in places or message.get("reasoning"):
        return False
    moved = places != sorted(places)
    own = [{"part": at} if moved else {} for at in range(len(blocks))]
    try:
        calls = [_call(block) | place for block, place in zip(blocks, own, strict=True) if block["type"] == "tool_use"]
    except (KeyError, ValueError):
        return False
    thoughts = [_thought(block) | place for block, place in zip(blocks, own, strict=True) if not _ORDER[block["type"]]]
    texts = [block | place for block, place in zip(blocks, own, strict=True) if block["type"] == "text"]
    message["content"] = texts or None
    for name, entries in (("reasoning", thoughts), ("tool_calls", calls)):
        if entries:
            message[name] = entries
    return True


def put_refusals_in_place(message: dict[str, Any]) -> bool:
    """Makes parts of type `refusal` the message's refusal, in place; says whether there were any.

    OpenAI's API reference has them in a content that is a list (`ChatCompletionContentPartRefusal`).
    """
    content = message.get("content")
    if not isinstance(content, list) or message.get("refusal"):
        return False
    said = [part for part in content if isinstance(part, dict) and part.get("type") == "refusal"]
    if not said or any(part.keys() != {"type", "refusal"} or not isinstance(part["refusal"], str) for part in said):
        return False
    message["content"] = [
        part for part in content if not (isinstance(part, dict) and part.get("type") == "refusal")
    ] or None
    message["refusal"] = "".join(part["refusal"] for part in said)
    return True


def _thought(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "redacted_thinking":
        return {"encrypted": block.get("data"), "provider": ORIGIN}
    said = {"text": block.get("thinking") or ""}
    # Compatible endpoints sign nothing: then it is plain text.
    return said | ({"signature": block["signature"], "provider": ORIGIN} if block.get("signature") else {})


def _call(block: dict[str, Any]) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": _compact(block["input"])}
    call = {"id": block["id"], "type": "function", "function": function}
    return call | ({"cache_control": block["cache_control"]} if block.get("cache_control") else {})
