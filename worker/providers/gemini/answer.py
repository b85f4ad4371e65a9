"""An earlier answer as Gemini has it (API reference: `Content`): parts in the order in which they were said."""

from typing import Any

from shared.request.answer_order import in_order
from shared.request.call_arguments import arguments_of
from shared.request.message_parts import Reasoning
from shared.request.messages import AssistantMessage
from shared.request.tools import ToolCall
from worker.providers.gemini.reader import SIGNATURE_ORIGIN

NO_SIGNATURE = "skip_thought_signature_validator"
"""In place of a signature, for calls of another model: Gemini 3 refuses a step whose first call has none. It is sent as
it stands, not in Base64 (ai.google.dev: "Thought Signatures", FAQs; Vertex AI's page of that name has it too)."""


def answer_parts(message: AssistantMessage, *, signed: bool) -> list[dict[str, Any]]:
    """Returns thoughts, text and calls, with the signatures that are this protocol's own.

    A signature without text is that of the text that follows it; one whose place is not known is the last text's.
    """
    parts: list[dict[str, Any]] = []
    awaited: str | None = None
    placeless: str | None = None
    for said in in_order(message):
        if isinstance(said, Reasoning):
            if said.provider != SIGNATURE_ORIGIN:
                continue
            if said.text:
                parts.append({"text": said.text, "thought": True} | _signature(said.signature))
            elif said.part is None:
                placeless = said.signature
            else:
                parts += _alone(awaited)
                awaited = said.signature
            continue
        if isinstance(said, ToolCall):
            parts += [*_alone(awaited), _call(said)]
        elif said.text:
            parts.append({"text": said.text} | _signature(awaited))
        else:
            continue
        awaited = None
    parts += _alone(awaited)
    if placeless:
        _sign_last_text(parts, placeless)
    if signed and (calls := [part for part in parts if "functionCall" in part]):
        # Of parallel calls only the first has a signature.
        calls[0].setdefault("thoughtSignature", NO_SIGNATURE)
    return parts


def _sign_last_text(parts: list[dict[str, Any]], signature: str) -> None:
    text = next((part for part in reversed(parts) if "text" in part and "thought" not in part), None)
    if text is None:
        text = {"text": ""}
        parts.insert(next((at for at, part in enumerate(parts) if "functionCall" in part), len(parts)), text)
    text["thoughtSignature"] = signature


def _alone(signature: str | None) -> list[dict[str, Any]]:
    """Returns a part that has nothing but a signature, if there is one."""
    return [{"text": "", "thoughtSignature": signature}] if signature else []


def _signature(signature: str | None) -> dict[str, Any]:
    return {"thoughtSignature": signature} if signature else {}


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "functionCall": {"id": call.id, "name": call.function.name, "args": arguments_of(call.function.arguments)},
        **_signature(call.signature if call.provider == SIGNATURE_ORIGIN else None),
    }
