"""Text and reasoning, in all places of a message that may have them."""

from collections.abc import Iterator
from typing import Any

from worker.providers.openai_chat.chunk import ChunkDelta
from worker.providers.openai_chat.reasoning import (
    Thought,
    plain_text,
    read_block,
    read_detail,
    read_entry,
    read_opaque,
)

_NAMES = ("reasoning_content", "reasoning", "reasoning_text", "thinking")


def thoughts_of(delta: ChunkDelta) -> tuple[list[Thought], list[dict[str, Any]]]:
    """Returns the reasoning beside a content, and fields of it that cannot be read.

    It is there once, which gateways send twice: as text, and in a list with what its maker wants back.
    """
    thoughts: list[Thought] = []
    unread: list[dict[str, Any]] = []
    for field, items, read in (
        ("reasoning_details", delta.reasoning_details, read_detail),
        ("thinking_blocks", delta.thinking_blocks, read_block),
    ):
        for item in items or ():
            if (thought := read(item)) is not None:
                thoughts.append(thought)
            else:
                unread.append({field: [item]})
    if not any(thought.text for thought in thoughts):
        for field in _NAMES:
            said = getattr(delta, field)
            if text := plain_text(said):
                thoughts.insert(0, Thought(None, "", text=text))
                break
            if said and text is None:
                unread.append({field: said})
    if delta.reasoning_opaque:
        if (opaque := read_opaque(delta.reasoning_opaque)) is not None:
            thoughts.append(opaque)
        else:
            unread.append({"reasoning_opaque": delta.reasoning_opaque})
    return thoughts, unread


def is_text(item: Any) -> bool:
    """Says whether an entry of a content is text, if it can be read."""
    return not isinstance(item, dict) or item.get("type") in ("text", "output_text", None)


def texts_within(content: str | list[Any] | None) -> Iterator[str]:
    """Yields the texts of a content."""
    if isinstance(content, str):
        yield content
    for item in content if isinstance(content, list) else ():
        if is_text(item):
            yield plain_text(item) or ""


def thoughts_within(content: str | list[Any] | None) -> Iterator[Thought]:
    """Yields the reasoning that stands in a content."""
    for item in content if isinstance(content, list) else ():
        if isinstance(item, dict) and item.get("type") in ("thinking", "reasoning"):
            yield from read_entry(item) or ()
