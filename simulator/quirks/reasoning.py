"""Reasoning of Chat under other names."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from simulator.quirks.chat_chunks import delta_of, is_finish
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, Change, Quirk

_FIELD: Final = "reasoning_content"
OPAQUE: Final = "b3BhcXVlIHJlYXNvbmluZw=="


def _renamed(says: Callable[[str], dict[str, Any]], texts: Callable[[str], Any] = str) -> Change:
    """A change of each thought to what `says` makes of it, and of each text to what `texts` makes."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            delta = delta_of(event)
            if _FIELD in delta:
                delta |= says(delta.pop(_FIELD))
            elif delta.get("content"):
                delta["content"] = texts(delta["content"])
            yield event

    return changed


def _copilot(events: Iterator[Event]) -> Iterator[Event]:
    for event in _renamed(lambda thought: {"reasoning_text": thought})(events):
        if is_finish(event):
            delta_of(event)["reasoning_opaque"] = OPAQUE
        yield event


def _databricks(thought: str) -> dict[str, Any]:
    summary = {"type": "summary_text", "text": thought, "signature": ""}
    return {"content": [{"type": "reasoning", "summary": [summary]}]}


def _mistral(thought: str) -> dict[str, Any]:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]}


def _list(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


QUIRKS: Final = (
    Quirk(
        "reasoning-copilot",
        "Reasoning is `reasoning_text`, and `reasoning_opaque` with the last chunk (GitHub Copilot).",
        {CHAT: _copilot},
    ),
    Quirk(
        "reasoning-field",
        "Reasoning is `reasoning` (vLLM from 0.16 on, Cerebras).",
        {CHAT: _renamed(lambda thought: {"reasoning": thought})},
    ),
    Quirk(
        "reasoning-databricks",
        "Reasoning is an entry of type `reasoning` in a list of contents (Databricks).",
        {CHAT: _renamed(_databricks, _list)},
    ),
    Quirk("reasoning-mistral", "Reasoning is a list of thinking in `content` (Mistral).", {CHAT: _renamed(_mistral)}),
)
