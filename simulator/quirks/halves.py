"""The first half of an answer, for what ends too soon."""

from collections.abc import Iterator

from simulator.quirks.event import Event


def first_half(events: Iterator[Event]) -> tuple[list[Event], list[Event]]:
    """The events up to the middle, at least one delta's if there is one, and those of the end."""
    all_events = list(events)
    total = all_events[-1].due
    said = [event for event in all_events if event.due < min(max(total // 2, 1), total)]
    open_blocks = _open_blocks(said)
    end = [event for event in all_events if event.due == total]
    return said, [event for event in end if event.name != "content_block_stop" or event.data["index"] in open_blocks]


def _open_blocks(events: list[Event]) -> set[int]:
    """The content blocks of Messages that have begun and not ended."""
    started = {event.data["index"] for event in events if event.name == "content_block_start"}
    return started - {event.data["index"] for event in events if event.name == "content_block_stop"}
