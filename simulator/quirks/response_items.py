"""Responses whose events do not say all that the whole response says, or not in their order."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import RESPONSES, Change, Quirk, each, numbered

_ADDED: Final = "response.output_item.added"
_DONE: Final = "response.output_item.done"
_ARGUMENTS: Final = "response.function_call_arguments."
_TEXT: Final = "response.output_text."


def _of_call(event: Event) -> bool:
    """Whether it begins or ends a call's item."""
    return bool(event.data.get("item", {}).get("type") == "function_call")


def _without(drops: Callable[[Event], bool]) -> Change:
    def changed(events: Iterator[Event]) -> Iterator[Event]:
        yield from (event for event in events if not drops(event))

    return changed


def _arguments(event: Event) -> bool:
    return event.name.startswith(_ARGUMENTS)


def _call(event: Event) -> bool:
    return _of_call(event) or _arguments(event)


def _arguments_and_end(event: Event) -> bool:
    return _arguments(event) or (_of_call(event) and event.name == _DONE)


def _call_begins(event: Event) -> bool:
    return _of_call(event) and event.name == _ADDED


def _inner(event: Event) -> bool:
    return "response" not in event.data


def _text_cut(events: Iterator[Event]) -> Iterator[Event]:
    """Without the last text delta and all that follows of its item."""
    before = list(events)
    last = max((n for n, event in enumerate(before) if event.name == f"{_TEXT}delta"), default=len(before))
    for n, event in enumerate(before):
        if n < last or event.data.get("output_index") != before[last].data["output_index"]:
            yield event


def _call_later(events: Iterator[Event]) -> Iterator[Event]:
    """`output_item.added` of a call behind its arguments."""
    added: Event | None = None
    for event in events:
        if _call_begins(event):
            added = event
            continue
        if added is not None and not _arguments(event):
            added.due = event.due
            yield added
            added = None
        yield event


def _from_one(event: Event) -> None:
    if "content_index" in event.data:
        event.data["content_index"] += 1


def _shapes(event: Event) -> Iterator[dict[str, Any]]:
    """The items in an event."""
    yield event.data.get("item", {})
    yield from event.data.get("response", {}).get("output", ())


def _counting(events: Iterator[Event]) -> Iterator[Event]:
    """Each delta of text or reasoning has a content index of its own; reasoning is told as text, as vLLM does."""
    counts: dict[int, int] = {}
    for event in events:
        if event.name.startswith(("response.content_part.", "response.reasoning_summary_part.")):
            continue
        if event.name.startswith("response.reasoning_summary_text."):
            event.name = event.data["type"] = event.name.replace("summary_", "")
            event.data["content_index"] = event.data.pop("summary_index")
        for item in _shapes(event):
            if item.get("type") == "reasoning":
                texts = [{"type": "reasoning_text", "text": part["text"]} for part in item["summary"]]
                item |= {"summary": [], "content": texts}
        if "content_index" in event.data:
            at = event.data["output_index"]
            event.data["content_index"] = counts.get(at, 0)
            counts[at] = counts.get(at, 0) + event.name.endswith(".delta")
        yield event


def _done(event: Event) -> None:
    if event.name == "response.completed":
        event.name = event.data["type"] = "response.done"


def _quirk(name: str, says: str, change: Change) -> Quirk:
    return Quirk(name, says, {RESPONSES: numbered(change)})


QUIRKS: Final = (
    _quirk("only-the-end", "Only `response.completed` says what the answer is (Switchyard#777).", _without(_inner)),
    _quirk("call-only-at-end", "A call stands in `response.completed` alone.", _without(_call)),
    _quirk(
        "arguments-only-at-end",
        "`output_item.added` has the call, `response.completed` its arguments (docker-agent#2976).",
        _without(_arguments_and_end),
    ),
    _quirk("text-cut", "The last text delta, and the end of its item, stand in `response.completed` alone.", _text_cut),
    _quirk("arguments-before-item", "`output_item.added` comes behind the call's arguments.", _call_later),
    _quirk(
        "arguments-without-item",
        "A call has no `output_item.added` (docker-agent#2976).",
        _without(_call_begins),
    ),
    _quirk(
        "content-index-one",
        "The first content of a message has index 1 in its events, 0 in its item (vllm#45742).",
        each(_from_one),
    ),
    _quirk("content-index-counting", "The content's index counts up with each delta (vllm#45889).", _counting),
    _quirk("response-done", "The end is `response.done` in place of `response.completed` (gateways).", each(_done)),
)
