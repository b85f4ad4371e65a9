"""Counts that stand elsewhere, or are no counts."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from simulator.quirks.chat_chunks import choice_of, is_finish
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, Change, Quirk, each, everywhere

_NAMES: Final = ("usage", "usageMetadata")


def _holders(data: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of an event that have counts, and the field's name."""
    if isinstance(data, dict):
        for holder in (data, data.get("response"), data.get("message")):
            yield from ((holder, name) for name in _NAMES if isinstance(holder, dict) and holder.get(name))


def _counts(change: Callable[[dict[str, Any]], Any]) -> dict[str, Change]:
    """Puts what `change` makes of the counts in their place; nothing where that is None."""

    def changed(event: Event) -> None:
        for holder, name in [*_holders(event.data)]:
            counts = change(holder.pop(name))
            if counts is not None:
                holder[name] = counts

    return everywhere(each(changed))


def _of_every(change: Callable[[int], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change of each number among the counts."""

    def changed(counts: dict[str, Any]) -> dict[str, Any]:
        return {name: _value(count) for name, count in counts.items()}

    def _value(count: Any) -> Any:
        return changed(count) if isinstance(count, dict) else change(count) if isinstance(count, int) else count

    return changed


def _in_choice(events: Iterator[Event]) -> Iterator[Event]:
    finish: Event | None = None
    for event in events:
        if is_finish(event):
            finish = event
            continue
        if finish is not None:
            choice = choice_of(finish)
            assert choice is not None
            if isinstance(event.data, dict):
                choice["usage"] = event.data.pop("usage")
            finish.data.pop("usage", None)
            yield finish
            finish = None
            if isinstance(event.data, dict):
                continue
        yield event


def _beside_details(event: Event) -> None:
    for holder, name in _holders(event.data):
        details = holder[name]["completion_tokens_details"]
        holder[name] |= {"completion_tokens_details": None, "reasoning_tokens": details["reasoning_tokens"]}


QUIRKS: Final = (
    Quirk("usage-in-choice", "Counts stand in `choices[0].usage` (Moonshot: pi#2017).", {CHAT: _in_choice}),
    Quirk(
        "usage-reasoning-beside",
        "`reasoning_tokens` stands beside the details, which are null (SGLang: pi#2016).",
        {CHAT: each(_beside_details)},
    ),
    Quirk("usage-fraction", "Counts have a fraction (servers that estimate).", _counts(_of_every(lambda n: n + 0.5))),
    Quirk("usage-list", "Counts are a list (gateways).", _counts(lambda counts: [counts])),
    Quirk("usage-text", "Counts are text (gateways).", _counts(_of_every(str))),
    Quirk("usage-missing", "There are no counts.", _counts(lambda _: None)),
)
