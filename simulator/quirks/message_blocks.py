"""Messages whose deltas do not fit the blocks."""

from collections.abc import Iterator
from typing import Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import MESSAGES, Change, Quirk, each

_TOOL: Final = "tool_use"


def _without(*names: str) -> Change:
    """Drops these events of the blocks that are no calls: of those, only the start says the name."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        kept: set[int] = set()
        for event in events:
            if event.name == "content_block_start" and event.data["content_block"]["type"] == _TOOL:
                kept.add(event.data["index"])
            if event.name not in names or event.data["index"] in kept:
                yield event

    return changed


def _other_index(event: Event) -> None:
    if event.name == "content_block_delta":
        event.data["index"] += 1


def _same_index(event: Event) -> None:
    if "index" in event.data:
        event.data["index"] = 0


def _no_index(event: Event) -> None:
    event.data.pop("index", None)


QUIRKS: Final = (
    Quirk(
        "block-start-missing",
        "Text and thinking have no `content_block_start` (gateways).",
        {MESSAGES: _without("content_block_start")},
    ),
    Quirk(
        "blocks-missing",
        "Text and thinking have neither start nor stop of a block.",
        {MESSAGES: _without("content_block_start", "content_block_stop")},
    ),
    Quirk("block-index-other", "Deltas have the index after that of their block.", {MESSAGES: each(_other_index)}),
    Quirk("block-index-zero", "All blocks have index 0 (gateways).", {MESSAGES: each(_same_index)}),
    Quirk("block-index-missing", "No block has an index.", {MESSAGES: each(_no_index)}),
)
