"""The events of a Responses stream (API reference: "Streaming events"), and where in an item they belong."""

import json
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from shared.log.events import PartKind
from worker.providers.lenient_json import decode

PROTOCOL = "openai-responses"
ENCRYPTION_ORIGIN = "openai"
"""Its `provider` in our events: encrypted reasoning is worth something at this provider only."""

Slot = Literal["content", "summary", "call", "result", "file"]
"""What of an item a part is; contents and summaries are numbered, of the others there is one."""


class PartPlace(NamedTuple):
    """Where an event belongs: what of an item it is, of what kind, and the type of item that has such."""

    slot: Slot
    kind: PartKind
    item: str


class ResponsesEvent(Struct, gc=False, forbid_unknown_fields=True):
    """Any of the events; a field that an event does not have is at its default."""

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    code: str | None = None
    logprobs: list[Any] | None = None
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    annotation: dict[str, Any] | None = None
    annotation_index: int | None = None
    error: Any = None
    message: str | None = None
    param: Any = None
    obfuscation: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    response_id: str | None = None


TEXT = PartPlace("content", "text", "message")
REFUSAL = PartPlace("content", "refusal", "message")
REASONING = PartPlace("content", "reasoning", "reasoning")
SUMMARY = PartPlace("summary", "reasoning", "reasoning")

_ENDLESS: dict[str, tuple[PartPlace, str]] = {
    "output_text": (TEXT, "text"),
    "refusal": (REFUSAL, "refusal"),
    "reasoning_text": (REASONING, "text"),
    "reasoning_summary_text": (SUMMARY, "text"),
    "function_call_arguments": (PartPlace("call", "tool_call", "function_call"), "arguments"),
    "custom_tool_call_input": (PartPlace("call", "tool_call", "custom_tool_call"), "input"),
    "mcp_call_arguments": (PartPlace("call", "tool_call", "mcp_call"), "arguments"),
    "code_interpreter_call_code": (PartPlace("call", "tool_call", "code_interpreter_call"), "code"),
}
"""What grows: where it belongs, and the field that has all of it in the end."""

_OTHERS = {"text": "output_text", "reasoning": "reasoning_text", "reasoning_summary": "reasoning_summary_text"}
"""Other names for the same (OpenRouter's documentation of its Responses API)."""
_ENDLESS |= {other: _ENDLESS[usual] for other, usual in _OTHERS.items()}
OTHER_NAMES = {f"response.{other}.delta": f"response.{usual}.delta" for other, usual in _OTHERS.items()}

PLACE_OF_DELTA: dict[str, PartPlace] = {f"response.{name}.delta": place for name, (place, _) in _ENDLESS.items()}
CODE_DELTA = "response.code_interpreter_call_code.delta"

PLACE_OF_DONE: dict[str, tuple[PartPlace, str]] = {f"response.{name}.done": value for name, value in _ENDLESS.items()}
"""Events that repeat all of what grew: where that belongs, and the field that has it."""

CODE_DONE = "response.code_interpreter_call_code.done"

CONTENT_ADDED = frozenset({"response.content_part.added", "response.reasoning_part.added"})
CONTENT_DONE = frozenset({"response.content_part.done", "response.reasoning_part.done"})
"""vLLM has another name for the contents of reasoning."""

PLACE_OF_CONTENT: dict[str, tuple[PartPlace, str]] = {
    "output_text": (TEXT, "text"),
    "text": (TEXT, "text"),
    "refusal": (REFUSAL, "refusal"),
    "reasoning_text": (REASONING, "text"),
}
"""Contents of an item: where they belong, and the field that has their text."""

UNDERSTOOD = (
    PLACE_OF_DELTA.keys()
    | PLACE_OF_DONE.keys()
    | CONTENT_ADDED
    | CONTENT_DONE
    | {
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.output_text.annotation.added",
        "response.output_item.added",
        "response.output_item.done",
    }
)
"""Events of which only the fields that no one knows are kept."""

_events = msgspec.json.Decoder(ResponsesEvent)


def read_event(name: str, data: bytes) -> tuple[ResponsesEvent, dict[str, Any]]:
    """Returns one event, and those of its fields that no event is known to have.

    What grows is text wherever that can be read from it: arguments may be an object, and a text in one.
    Raises ProviderError `invalid_response`.
    """
    event, unknown = decode(name, _events, data)
    if unknown:
        place, field = PLACE_OF_DONE.get(event.type, (PLACE_OF_DELTA.get(event.type), "delta"))
        if place is not None and (text := spoken(unknown.get(field), place.slot)) is not None:
            setattr(event, field, text)
            del unknown[field]
    return event, unknown


def spoken(value: object, slot: Slot = "content") -> str | None:
    """Returns what is said with a value; None where that is not known. Numbers are text, arguments may be an object."""
    match value:
        case str():
            return value
        case int() | float() if not isinstance(value, bool):
            return str(value)
        case dict() | list() if slot == "call" and value:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case {"text": str(text)}:
            return text
        case _:
            return None
