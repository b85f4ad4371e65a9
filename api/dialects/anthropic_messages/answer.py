"""The message of an answer that has ended, as it is where nothing is streamed (API reference: "Create a Message")."""

import json
from typing import Any

from msgspec import UNSET

from api.dialects.anthropic_messages.blocks import PROTOCOL, sealed_thought
from api.dialects.anthropic_messages.call_input import input_of
from api.dialects.anthropic_messages.message import message_of
from api.dialects.anthropic_messages.sealed import Sealed, seal
from api.dialects.anthropic_messages.server_tools import call_type, result_of
from api.dialects.anthropic_messages.stop_reason import ending
from api.dialects.anthropic_messages.usage import usage_of
from api.viewing.dialect import Subject
from shared.log.events import Completed, Part, PartEnd
from shared.log.snapshots import PartSoFar, Snapshot


def answer(subject: Subject, said: Snapshot, epoch: int = 1) -> dict[str, Any]:
    """Returns the message, which is what the stream adds up to. `epoch` is that of its framer.

    Of a call that still grows the input is empty.
    """
    message = message_of(subject, epoch)
    called: set[str] = set()
    message["content"] = [block for part in said.parts for block in _blocks(part, called, said.end is not None)]
    if isinstance(said.end, Completed):
        message |= ending(said.end, refused=any(part.kind == "refusal" for part in said.parts))
    message["usage"] = usage_of(said.usage, said.service_tier)
    return message


def _blocks(part: PartSoFar, called: set[str], is_over: bool) -> list[dict[str, Any]]:
    """Returns the blocks of a part; `called` are the calls of Anthropic's own tools so far."""
    match part.kind:
        case "text" | "refusal":
            return _text(part)
        case "reasoning":
            return _thought(part)
        case "tool_call":
            return _call(part, called, part.text if part.ended or is_over else "")
        case "tool_result" if part.call_id in called:
            result = result_of(part.result_type, part.call_id, part.text)
            return [] if result is None else [result]
    return []


def _text(part: PartSoFar) -> list[dict[str, Any]]:
    ours = part.kind == "text" and part.annotation_protocol == PROTOCOL
    citations = part.annotations if ours else []
    if not (part.pieces or citations):
        return _signed(part, "text")
    block: dict[str, Any] = {"type": "text", "text": part.text}
    return [block | ({"citations": citations} if citations else {}), *_signed(part, "text")]


def _call(part: PartSoFar, called: set[str], arguments: str) -> list[dict[str, Any]]:
    type_ = call_type(part.name, part.call_id, part.executor)
    if type_ is None:
        return []
    if type_ == "server_tool_use":
        called.add(str(part.call_id))
    block = {"type": type_, "id": part.call_id, "name": part.name, "input": json.loads(input_of(arguments) or "{}")}
    return [block, *_signed(part, "call")]


def _thought(part: PartSoFar) -> list[dict[str, Any]]:
    begun = Part(part=0, kind="reasoning", item_id=part.item_id or UNSET)
    begun.summary = UNSET if part.summary is None else part.summary
    end = PartEnd(part=0)
    end.signature, end.encrypted = part.signature or UNSET, part.encrypted or UNSET
    end.provider = part.provider or UNSET
    sealed = sealed_thought(begun, end)
    if part.encrypted and not part.pieces:
        return [{"type": "redacted_thinking", "data": sealed}]
    if part.pieces or part.signature:
        return [{"type": "thinking", "thinking": part.text, "signature": sealed}]
    return []


def _signed(part: PartSoFar, of: Any) -> list[dict[str, Any]]:
    if not part.signature:
        return []
    return [{"type": "redacted_thinking", "data": seal(Sealed(signature=part.signature, of=of), part.provider or "")}]
