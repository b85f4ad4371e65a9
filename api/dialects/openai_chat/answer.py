"""An answer as one object (API reference: `chat.completion`): what the stream's chunks add up to."""

from typing import Any

from api.dialects.names import PREFIXES, name_of
from api.dialects.openai_chat import message
from api.dialects.openai_chat.annotations import citations
from api.dialects.openai_chat.chunks import about
from api.viewing.dialect import Subject
from shared.log.events import Completed
from shared.log.snapshots import PartSoFar, Snapshot


def answer(subject: Subject, said: Snapshot, epoch: int = 1) -> dict[str, Any]:
    """Returns the object of a generation that completed; of one that has not, what there is of it."""
    end = said.end
    reason = message.FINISH_REASONS[end.finish_reason] if isinstance(end, Completed) else None
    choice = {
        "index": 0,
        "message": _message(subject, said.parts),
        "logprobs": _logprobs(said.parts),
        "finish_reason": reason,
    }
    name = name_of(PREFIXES["openai-chat"], subject.id, epoch)
    fields = about(subject, name, "chat.completion", said.system_fingerprint, said.service_tier)
    return fields | {"choices": [choice], "usage": None if said.usage is None else message.usage_fields(said.usage)}


def _logprobs(parts: list[PartSoFar]) -> dict[str, Any] | None:
    told: dict[str, list[Any]] = {}
    for part in parts:
        if part.logprobs and part.kind in message.TEXT_FIELDS:
            told.setdefault(message.logprob_field(part), []).extend(part.logprobs)
    return {"content": told.get("content"), "refusal": told.get("refusal")} if told else None


def _message(subject: Subject, parts: list[PartSoFar]) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for kind, name in message.TEXT_FIELDS.items():
        if text := "".join(part.text for part in parts if part.kind == kind):
            fields[name] = text
    if listed := _annotations(parts):
        fields["annotations"] = listed
    fields |= _files(subject, parts)
    if entries := _details(parts):
        fields["reasoning_details"] = entries
    calls = [part for part in parts if part.kind == "tool_call" and part.executor != "provider"]
    if calls:
        fields["tool_calls"] = [_call(part, index) for index, part in enumerate(calls)]
    return fields


def _annotations(parts: list[PartSoFar]) -> list[dict[str, Any]]:
    cited = []
    start = 0
    for part in parts:
        length = len(part.text) if part.kind == "text" else 0
        cited += [(fields, start, start + length) for fields in part.annotations]
        start += length
    return citations(cited)


def _files(subject: Subject, parts: list[PartSoFar]) -> dict[str, Any]:
    files = [part for part in parts if part.kind == "file"]
    images = [part for part in files if part.ended and not message.is_sound(part) and (part.url or part.pieces)]
    fields: dict[str, Any] = {}
    if images:
        fields["images"] = [message.image(part, index) for index, part in enumerate(images)]
    if sounds := list(filter(message.is_sound, files)):
        fields["audio"] = message.sound(subject, sounds[0]) | {"data": "".join(one.text for one in sounds)}
    return fields


def _details(parts: list[PartSoFar]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    told: list[message.Told] = []
    for part in parts:
        if not (part.ended and message.is_opaque(part)):
            continue
        for one in message.family(part, parts):
            if not any(one is known for known in told):
                entries += message.details(one, len(entries))
                told.append(one)
    return entries


def _call(part: PartSoFar, index: int) -> dict[str, Any]:
    function = {"name": part.name or "", "arguments": part.text}
    call = {"id": part.call_id or f"call_{index}", "type": "function", "function": function}
    return call | message.signed_call(part)
