"""The events of a Responses stream (API reference: "Streaming events"), and what of them has a place in ours."""

from typing import Any, Literal, NamedTuple

from msgspec import Struct, json

from shared.log.events import PartKind, Usage
from worker.providers.lenient_json import decode
from worker.providers.token_counts import read_counts

PROTOCOL = "openai-responses"
ENCRYPTION_ORIGIN = "openai"
"""Its `provider` in our events: encrypted reasoning is worth something at this provider only."""

Slot = Literal["content", "summary", "call", "result", "file"]
"""What of an item a part is; contents and summaries are numbered, of the others there is one."""


class PartPlace(NamedTuple):
    """Where in an item an event belongs."""

    slot: Slot
    kind: PartKind


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


PLACE_OF_DELTA: dict[str, PartPlace] = {
    "response.output_text.delta": PartPlace("content", "text"),
    "response.refusal.delta": PartPlace("content", "refusal"),
    "response.reasoning_text.delta": PartPlace("content", "reasoning"),
    "response.reasoning_summary_text.delta": PartPlace("summary", "reasoning"),
    "response.function_call_arguments.delta": PartPlace("call", "tool_call"),
    "response.custom_tool_call_input.delta": PartPlace("call", "tool_call"),
    "response.mcp_call_arguments.delta": PartPlace("call", "tool_call"),
    "response.code_interpreter_call_code.delta": PartPlace("call", "tool_call"),
}
CODE_DELTA = "response.code_interpreter_call_code.delta"

PLACE_OF_DONE: dict[str, tuple[PartPlace, str]] = {
    "response.output_text.done": (PartPlace("content", "text"), "text"),
    "response.refusal.done": (PartPlace("content", "refusal"), "refusal"),
    "response.reasoning_text.done": (PartPlace("content", "reasoning"), "text"),
    "response.reasoning_summary_text.done": (PartPlace("summary", "reasoning"), "text"),
    "response.function_call_arguments.done": (PartPlace("call", "tool_call"), "arguments"),
    "response.custom_tool_call_input.done": (PartPlace("call", "tool_call"), "input"),
    "response.mcp_call_arguments.done": (PartPlace("call", "tool_call"), "arguments"),
    "response.code_interpreter_call_code.done": (PartPlace("call", "tool_call"), "code"),
}
"""Events that repeat all of what grew: where that belongs, and the field that has it."""

CODE_DONE = "response.code_interpreter_call_code.done"

KIND_OF_CONTENT: dict[str, tuple[PartKind, str]] = {
    "output_text": ("text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("reasoning", "text"),
}
"""Contents of an item: the kind of part, and the field that has it."""

ECHO_FIELDS = frozenset(
    {
        "id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "instructions", "model",
        "metadata", "output", "output_text", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p",
        "background", "conversation", "image", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt",
        "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "store",
        "service_tier", "text", "top_logprobs", "truncation", "usage", "user", "frequency_penalty", "presence_penalty",
        "access_programs", "context_management", "billing",
    }
)  # fmt: skip
"""Fields of a whole response that repeat the request, or that are read."""

_events = json.Decoder(ResponsesEvent)


def read_event(name: str, data: bytes) -> tuple[ResponsesEvent, dict[str, Any]]:
    """Returns one event, and those of its fields that no event is known to have.

    Raises ProviderError `invalid_response`.
    """
    return decode(name, _events, data)


class _InputDetails(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: int | None = None


class _Counts(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def read_usage(counted: object) -> Usage | None:
    """Returns token counts; None where there are none.

    Cached tokens are within the input, reasoning within the output, unless the total says otherwise.
    """
    counts = None if counted is None else read_counts(counted, _Counts)
    if counts is None:
        return None
    asked, answered = counts.input_tokens_details or _InputDetails(), counts.output_tokens_details or _OutputDetails()
    given, output, reasoning = counts.input_tokens or 0, counts.output_tokens or 0, answered.reasoning_tokens or 0
    if reasoning and counts.total_tokens == given + output + reasoning:
        output += reasoning
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cached_tokens=asked.cached_tokens or 0,
        cache_write_tokens=asked.cache_write_tokens or 0,
        reasoning_tokens=reasoning,
    )


def unmapped(response: dict[str, Any]) -> dict[str, Any]:
    """Returns what a whole response says beside the answer: uses of tools, moderation, what became of the cache."""
    rest = {field: value for field, value in response.items() if field not in ECHO_FIELDS and _says(value)}
    counted = response.get("usage")
    if isinstance(counted, dict):
        known = _Counts.__struct_fields__
        nested = {
            **{field: counted.get(field) for field in counted if field not in known},
            **_beyond(counted, "input_tokens_details", _InputDetails),
            **_beyond(counted, "output_tokens_details", _OutputDetails),
        }
        if counts := {field: value for field, value in nested.items() if _says(value)}:
            rest["usage"] = counts
    return rest


def _beyond(counted: dict[str, Any], field: str, known: type[Struct]) -> dict[str, Any]:
    details = counted.get(field)
    if not isinstance(details, dict):
        return {}
    more = {name: value for name, value in details.items() if name not in known.__struct_fields__}
    return {field: more} if more else {}


def _says(value: Any) -> bool:
    """Says whether there is anything in it: zeros, and objects of zeros, say nothing."""
    return any(_says(item) for item in value.values()) if isinstance(value, dict) else bool(value)
