"""How a message begins: `start` with its id, what it has from earlier generations, and `start-step`.

A tool's result that the client gives goes on with the same message (`getResponseUIMessageId` of the package `ai`). Who
asked has what was said of it before; who comes later begins with an empty message, and is told that too.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from api.dialects.ai_sdk.chunks import chunk
from api.dialects.names import PREFIXES, name_of
from api.viewing.dialect import Subject

_WHOLE = frozenset({"source-url", "source-document", "file", "reasoning-file", "custom"})
"""Parts that one chunk is, which has their fields."""
_RESULTS = frozenset({"output-available", "output-error", "output-denied"})


def message_begin(subject: Subject) -> Sequence[bytes]:
    """Returns the events that begin a message, which the record alone makes."""
    earlier = b"".join(_earlier(subject.echo.get("earlier") or ()))
    return (_start(subject), *([earlier] if earlier else ()), chunk("start-step"))


def seen_by_asker(subject: Subject) -> tuple[bytes, int]:
    """Returns what a POST's stream begins with in place of the first events, and how many of these."""
    begun = message_begin(subject)
    return (begun[0], 2) if len(begun) > 2 else (b"", 0)


def _start(subject: Subject) -> bytes:
    name = subject.echo.get("message") or name_of(PREFIXES["ai-sdk"], subject.id)
    # The merged metadata of a message name the last of its generations.
    metadata = {**(subject.echo.get("metadata") or {}), "generation": subject.id, "model": subject.model}
    return chunk("start", messageId=name, messageMetadata=metadata)


def _earlier(parts: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    for at, part in enumerate(parts):
        id = f"earlier-{at}"
        match part:
            case {"type": "step-start"}:
                yield chunk("start-step")
            case {"type": "text" | "reasoning" as type, "text": str(text)}:
                yield chunk(f"{type}-start", id=id)
                yield chunk(f"{type}-delta", id=id, delta=text)
                yield chunk(f"{type}-end", id=id, providerMetadata=part.get("providerMetadata"))
            case {"type": str(type), "toolCallId": str()} if type == "dynamic-tool" or type.startswith("tool-"):
                yield from _tool(part, type)
            case {"type": str(type)} if type in _WHOLE or type.startswith("data-"):
                yield chunk(**part)


def _tool(part: dict[str, Any], type: str) -> Iterator[bytes]:
    """Yields the chunks of a call, and of its result: with no `tool-input-available`, at which clients run the tool."""
    name = part.get("toolName") if type == "dynamic-tool" else type.removeprefix("tool-")
    ran = {field: part.get(field) for field in ("providerExecuted", "toolMetadata")}
    ran["dynamic"] = True if type == "dynamic-tool" else None
    own, state = {"toolCallId": part["toolCallId"]}, part.get("state")
    named = {**own, "toolName": name, "providerMetadata": part.get("callProviderMetadata"), "title": part.get("title")}
    if state == "input-available":
        yield chunk("tool-input-available", input=part.get("input"), **named, **ran)
        return
    yield chunk("tool-input-start", **named, **ran)
    given = part.get("input", part.get("rawInput"))
    if given is not None:
        yield chunk("tool-input-delta", **own, inputTextDelta=json.dumps(given, ensure_ascii=False))
    told = {**own, **ran, "providerMetadata": part.get("resultProviderMetadata")}
    if state == "output-available":
        yield chunk("tool-output-available", output=part.get("output"), preliminary=part.get("preliminary"), **told)
    elif state == "output-error":
        yield chunk("tool-output-error", errorText=str(part.get("errorText") or ""), **told)
    elif state == "output-denied":
        yield chunk("tool-output-denied", **own)
