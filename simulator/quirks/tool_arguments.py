"""Tool calls whose arguments are said too often, or in another shape."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from simulator.quirks.chat_chunks import Message, call_of, chunk, delta_of, each_fragment, is_finish
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, MESSAGES, RESPONSES, Quirk, numbered


def _braces(fragment: dict[str, Any], n: int, _: dict[str, Any]) -> None:
    if n == 0:
        fragment["function"]["arguments"] = "{}"


def _piece(event: Event) -> tuple[int, dict[str, Any], str] | None:
    """The index of a call of which an event has a piece of arguments; the object and the field that have it."""
    if event.name == "response.function_call_arguments.delta":
        return event.data["output_index"], event.data, "delta"
    if event.name == "content_block_delta" and "partial_json" in event.data["delta"]:
        return event.data["index"], event.data["delta"], "partial_json"
    return None


def _say(event: Event, arguments: str) -> None:
    piece = _piece(event)
    assert piece is not None
    piece[1][piece[2]] = arguments


def _braces_first(events: Iterator[Event]) -> Iterator[Event]:
    begun: set[int] = set()
    for event in events:
        if (piece := _piece(event)) and piece[0] not in begun:
            begun.add(piece[0])
            first = event.after(deepcopy(event.data), event.name)
            _say(first, "{}")
            yield first
        yield event


def _all_again(events: Iterator[Event]) -> Iterator[Event]:
    """All arguments once more, where a call ends."""
    said = ""
    last: Event | None = None
    for event in events:
        if piece := _piece(event):
            said += piece[1][piece[2]]
            last = event
        elif last is not None:
            again = last.after(deepcopy(last.data), last.name)
            _say(again, said)
            yield again
            last, said = None, ""
        yield event


def _repeated(events: Iterator[Event]) -> Iterator[Event]:
    message = Message()
    for event in events:
        message.add(event)
        if is_finish(event):
            for call in message.calls:
                yield chunk(event, {"tool_calls": [call]})
        yield event


def _as_object(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        if call_of(event):
            delta = delta_of(event)
            delta["tool_calls"] = delta["tool_calls"][0]
        yield event


def _as_value(events: Iterator[Event]) -> Iterator[Event]:
    """Whole calls whose arguments are no text but the JSON itself."""
    message = Message()
    for event in events:
        message.add(event)
        if call_of(event):
            continue
        if is_finish(event):
            for call in message.calls:
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
                yield chunk(event, {"tool_calls": [call]})
        yield event


QUIRKS: Final = (
    Quirk(
        "tool-braces-first",
        "`{}` before the arguments (Bedrock behind gateways: openai-agents-js#712).",
        {CHAT: each_fragment(_braces), RESPONSES: numbered(_braces_first), MESSAGES: _braces_first},
    ),
    Quirk(
        "tool-arguments-repeated",
        "All arguments once more at the end of a call (vllm#51697).",
        {CHAT: _repeated, RESPONSES: numbered(_all_again), MESSAGES: _all_again},
    ),
    Quirk("tool-calls-object", "`tool_calls` is one object and no list (TGI#2949).", {CHAT: _as_object}),
    Quirk("tool-arguments-value", "Arguments are JSON and no text (Ollama).", {CHAT: _as_value}),
)
