"""One event, as a viewer gets it."""

import json
from typing import Any, Literal, NamedTuple

TERMINAL_TYPES = frozenset({"completed", "failed", "cancelled"})
"""The last event of each log is of one of these types."""

MAX_LEVELS = 100
"""Most levels of an answer's JSON: the 64 that a provider's may have, and a few around them."""

PartKind = Literal["text", "reasoning", "refusal", "tool_call", "tool_result", "file"]
"""What a part of an answer may be (docs/protocol.md, Events)."""


class Event(NamedTuple):
    """One event of a stream (docs/protocol.md, Events).

    `queued`, `reset`, `drain` and what else is not in a log have no id. In a conversation's stream `generation` says of
    which generation it is.
    """

    id: str | None
    type: str
    data: dict[str, Any]
    generation: str | None = None


def json_object(text: bytes | str) -> dict[str, Any] | None:
    """Returns the JSON object that a text is; None where it is none, or nests deeper than an answer of ours."""
    try:
        found = json.loads(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    layer: list[Any] = [found]
    for _ in range(MAX_LEVELS + 1):
        layer = [item for one in layer for item in (one.values() if isinstance(one, dict) else one)]
        layer = [item for item in layer if isinstance(item, dict | list)]
        if not layer:
            return found
    return None
