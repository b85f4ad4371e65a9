"""An earlier answer as the next request has it: for each of its steps a message, and its tools' results behind it.

What no request can say is left out: files, sources, and the tools that the provider ran itself with their results. So
are calls that have no result: each must have one (`shared/request/tool_pairing.py`), and the user has gone on.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from api.dialects.ai_sdk.provider_metadata import opaque, ours

_DENIED = "Tool call execution denied."
"""The AI SDK's words for it."""


def earlier_answer(parts: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], int]]:
    """Yields the messages of an answer with these parts, each with the index of the part that it begins with."""
    step: list[tuple[int, dict[str, Any]]] = []
    for at, part in enumerate(parts):
        if part.get("type") == "step-start":
            yield from _messages(step)
            step = []
        else:
            step.append((at, part))
    yield from _messages(step)


def _messages(step: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[dict[str, Any], int]]:
    texts: list[dict[str, Any]] = []
    reasoning: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    results: list[tuple[dict[str, Any], int]] = []
    refusal = ""
    for place, (at, part) in enumerate(step):
        metadata = part.get("providerMetadata")
        match part:
            case {"type": "text", "text": str(text)} if ours(metadata).get("refusal") is True:
                refusal += text
            case {"type": "text", "text": str(text)}:
                if text:
                    texts.append({"type": "text", "text": text, "part": place})
                if signed := opaque(metadata):
                    reasoning.append({**signed, "part": place})
            case {"type": "reasoning", "text": str(text)}:
                if thought := _thought(text, metadata):
                    reasoning.append({**thought, "part": place})
            case {"type": str(type), "toolCallId": str(call_id)} if _is_clients(type, part):
                if (result := _result(part)) is not None:
                    calls.append({**_call(call_id, type, part), "part": place})
                    results.append(({"role": "tool", "tool_call_id": call_id, **result}, at))
    if not (texts or refusal or calls):
        return  # reasoning alone means nothing without what it led to
    message: dict[str, Any] = {"role": "assistant", "content": texts or None}
    if refusal:
        message["refusal"] = refusal
    if reasoning:
        message["reasoning"] = reasoning
    if calls:
        message["tool_calls"] = calls
    if len(texts) == 1 and not (reasoning or calls):
        message["content"] = texts[0]["text"]
    yield message, step[0][0]
    yield from results


def _thought(text: str, metadata: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"text": text} if text else {}
    said |= opaque(metadata)
    if said and ours(metadata).get("summary") is True:
        said["summary"] = True
    return said


def _is_clients(type: str, part: dict[str, Any]) -> bool:
    return (type == "dynamic-tool" or type.startswith("tool-")) and part.get("providerExecuted") is not True


def _call(call_id: str, type: str, part: dict[str, Any]) -> dict[str, Any]:
    name = str(part.get("toolName") or "") if type == "dynamic-tool" else type.removeprefix("tool-")
    given = part.get("input", part.get("rawInput"))
    # What was no JSON is text, as the model wrote it.
    arguments = given if isinstance(given, str) else _json({} if given is None else given)
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    signed = opaque(part.get("callProviderMetadata"))
    return call | {field: signed[field] for field in ("signature", "provider") if "signature" in signed}


def _result(part: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the result of a call as a tool's message has it; None where there is none."""
    match part.get("state"):
        case "output-available" if part.get("preliminary") is not True:
            output = part.get("output")
            return {"content": output if isinstance(output, str) else _json(output)}
        case "output-error":
            return {"content": str(part.get("errorText") or ""), "is_error": True}
        case "output-denied":
            approval = part.get("approval")
            reason = approval.get("reason") if isinstance(approval, dict) else None
            return {"content": str(reason or _DENIED), "is_error": True}
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
