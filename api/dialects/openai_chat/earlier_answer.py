"""An answer of this dialect as it comes back in the next request: what was wrapped belongs to its provider again."""

from typing import Any

from api.dialects.opaque import unwrap
from shared.request.dumped_reasoning import TEXT_FIELDS

_OPAQUE = ("signature", "data")


def unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    """Returns an assistant's message with its reasoning and its calls' signatures in fields of ours.

    What another gateway has made stays as it is, as do fields that say nothing to a model. What no request can say of
    an answer is left out: its images and its sound.
    """
    said = {name: value for name, value in message.items() if name != "images" and not _is_sound(name, value)}
    details = said.get("reasoning_details")
    if isinstance(details, list) and any(map(_is_wrapped, details)) and not isinstance(said.get("reasoning"), list):
        thoughts = [_thought(detail) for detail in details]
        for name in ("reasoning_details", *TEXT_FIELDS):
            said.pop(name, None)
        said["reasoning"] = thoughts
    if isinstance(calls := said.get("tool_calls"), list):
        said["tool_calls"] = [_call(call) if isinstance(call, dict) else call for call in calls]
    return said


def _is_sound(name: str, value: Any) -> bool:
    return name == "audio" and isinstance(value, dict) and "data" in value


def _is_wrapped(detail: Any) -> bool:
    values = [detail.get(name) for name in _OPAQUE] if isinstance(detail, dict) else []
    return any(isinstance(value, str) and unwrap(value)[0] is not None for value in values)


def _thought(detail: Any) -> Any:
    """Returns an entry of `reasoning_details` as ours; what is none stays, for the validation to name."""
    if not isinstance(detail, dict):
        return detail
    thought: dict[str, Any] = {}
    if text := detail.get("summary") or detail.get("text"):
        thought["text"] = text
    if detail.get("type") == "reasoning.summary":
        thought["summary"] = True
    if detail.get("id"):
        thought["item_id"] = detail["id"]
    for name, ours in (("signature", "signature"), ("data", "encrypted")):
        if isinstance(value := detail.get(name), str) and value:
            provider, thought[ours] = unwrap(value)
            if provider is None:
                del thought[ours]
            else:
                thought["provider"] = provider
    return thought


def _call(call: dict[str, Any]) -> dict[str, Any]:
    match call.get("extra_content"):
        case {"google": {"thought_signature": str(value)}}:
            provider, signature = unwrap(value)
            rest = {name: given for name, given in call.items() if name != "extra_content"}
            if provider is not None:
                return rest | {"signature": signature, "provider": provider}
            return call if value else rest
    return call
