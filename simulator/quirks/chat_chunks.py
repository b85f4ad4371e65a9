"""The chunks of Chat Completions, and what they say."""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from simulator.quirks.event import Event
from simulator.quirks.quirk import Change


def choice_of(event: Event) -> dict[str, Any] | None:
    """The one choice of a chunk; None for the chunk with the counts and for what is no chunk."""
    choices = event.data.get("choices") if isinstance(event.data, dict) else None
    return choices[0] if choices else None


def delta_of(event: Event) -> dict[str, Any]:
    """What a chunk adds; empty where it adds nothing, and then no part of it."""
    choice = choice_of(event)
    delta: dict[str, Any] = choice["delta"] if choice else {}
    return delta


def call_of(event: Event) -> dict[str, Any] | None:
    """The one fragment of a tool call that a chunk has."""
    calls = delta_of(event).get("tool_calls")
    return calls[0] if calls else None


def is_finish(event: Event) -> bool:
    """Whether a chunk has the finish reason."""
    choice = choice_of(event)
    return choice is not None and choice["finish_reason"] is not None


FragmentChange = Callable[[dict[str, Any], int, dict[str, Any]], None]
"""Is given a fragment of a call, its number within that call, and the first one as it came."""


def each_fragment(change: FragmentChange) -> Change:
    """A change of each fragment of a call, in place."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        first: dict[int, dict[str, Any]] = {}
        seen: Counter[int] = Counter()
        for event in events:
            if fragment := call_of(event):
                index = fragment["index"]
                first.setdefault(index, deepcopy(fragment))
                change(fragment, seen[index], first[index])
                seen[index] += 1
            yield event

    return changed


def chunk(like: Event, delta: dict[str, Any]) -> Event:
    """A chunk with another delta, and no finish reason."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return like.after({**like.data, "choices": [choice]})


class Message:
    """What the chunks so far say together, as a message that does not stream has it."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._calls: dict[int, dict[str, str]] = {}

    def add(self, event: Event) -> None:
        """Read one more chunk."""
        for name in ("content", "reasoning_content", "refusal"):
            if text := delta_of(event).get(name):
                self._texts[name] = self._texts.get(name, "") + text
        if fragment := call_of(event):
            function = fragment["function"]
            if "id" in fragment:
                self._calls[fragment["index"]] = {"id": fragment["id"], "name": function["name"], "arguments": ""}
            self._calls[fragment["index"]]["arguments"] += function["arguments"]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls, whole, with their index."""
        return [
            {
                "index": index,
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
            }
            for index, call in sorted(self._calls.items())
        ]

    def whole(self) -> dict[str, Any]:
        """The message so far."""
        calls = {"tool_calls": self.calls} if self._calls else {}
        return {"role": "assistant", "content": None, **self._texts, **calls}
