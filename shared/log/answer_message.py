"""An answer as the next request has it: the assistant's message, to be sent back as it is.

What no request can say is left out: files, and the tools that the provider runs itself with their results. So are
calls and reasoning that broke off.
"""

from collections.abc import Sequence
from typing import Any

from shared.log.events import Completed
from shared.log.snapshots import PartSoFar, Snapshot
from shared.request.call_arguments import arguments_of


def answer_of(said: Snapshot) -> list[dict[str, Any]]:
    """Returns the message of an answer that has ended, however it did, as `messages_of` does."""
    end = said.end
    return messages_of(said.parts, cut=not isinstance(end, Completed) or end.finish_reason == "length")


def messages_of(parts: Sequence[PartSoFar], *, cut: bool = False) -> list[dict[str, Any]]:
    """Returns the message in a list, which is empty where nothing was said. `part` is the index among these parts.

    With `cut` the answer broke off, or had no room for more (`length`), perhaps within a call's arguments.
    """
    texts: list[tuple[int, PartSoFar]] = []
    reasoning: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    refusal = ""
    for at, part in enumerate(parts):
        if part.kind == "text":
            if part.pieces:
                texts.append((at, part))
            if part.signature and part.provider:
                reasoning.append({"signature": part.signature, "provider": part.provider, "part": at})
        elif part.kind == "refusal":
            refusal += part.text
        elif part.kind == "reasoning" and part.ended:
            if thought := _thought(part):
                reasoning.append({**thought, "part": at})
        elif part.kind == "tool_call" and part.ended and part.executor != "provider" and part.call_id and part.name:
            if cut and arguments_of(part.text) is None:
                continue
            calls.append({**_call(part.call_id, part.name, part), "part": at})
    if not (texts or refusal or calls):
        return []
    message: dict[str, Any] = {"role": "assistant", "content": _content(texts, reasoning, calls)}
    fields: dict[str, Any] = {"refusal": refusal, "reasoning": reasoning, "tool_calls": calls}
    return [message | {name: value for name, value in fields.items() if value}]


def _content(
    texts: list[tuple[int, PartSoFar]], reasoning: list[dict[str, Any]], calls: list[dict[str, Any]]
) -> str | list[dict[str, Any]] | None:
    """Returns the only text as it is, where it stands in the place that `in_order` gives to one that names none."""
    if not texts:
        return None
    named = {entry["part"] for entry in (*reasoning, *calls)}
    missing = next((number for number in range(len(named)) if number not in named), None)
    at, first = texts[0]
    last = missing is None and not calls and at >= max(named, default=0)
    if len(texts) == 1 and (missing == at or last):
        return first.text
    return [{"type": "text", "text": part.text, "part": at} for at, part in texts]


def _thought(part: PartSoFar) -> dict[str, Any]:
    fields: dict[str, Any] = {"text": part.text, **_signed(part), "summary": part.summary, "item_id": part.item_id}
    said = {name: value for name, value in fields.items() if value}
    return said if said.keys() & {"text", "signature", "encrypted"} else {}


def _signed(part: PartSoFar) -> dict[str, Any]:
    """Returns what is opaque, and whose it is; without that it is of use to nobody."""
    if not part.provider:
        return {}
    return {"signature": part.signature, "encrypted": part.encrypted, "provider": part.provider}


def _call(call_id: str, name: str, part: PartSoFar) -> dict[str, Any]:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": part.text or "{}"}}
    signed = {"signature": part.signature, "provider": part.provider} if part.signature and part.provider else {}
    return call | signed
