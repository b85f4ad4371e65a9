"""Chunks of a UI message stream as bytes (AI SDK: "Stream Protocols", and `ui-message-chunks.ts` of its package `ai`).

Version 6 refuses a stream with a chunk, or a value, that it does not know: what is said here both 6 and 7 read.
"""

from typing import Any

import msgspec

from shared.log.events import FinishReason
from shared.one_line import json_escaped

FINISH_REASONS: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "paused": "other",
    "other": "other",
}
DELTA_END = b"}\n\n"
"""What stands behind the text of a delta."""

_encode = msgspec.json.Encoder().encode


_VALUES = frozenset({"input", "output", "data"})
"""Fields in which a null is a value."""


def chunk(type: str, **fields: Any) -> bytes:
    """Returns an event whose data is a chunk, in one line for whoever splits it (str.splitlines); None is left out."""
    said = {name: value for name, value in fields.items() if value is not None or name in _VALUES}
    return b"data: %b\n\n" % json_escaped(_encode({"type": type, **said}))


def delta_begin(type: str, id: str) -> bytes:
    """Returns what stands before the text of each delta of a part, which is JSON."""
    name, text = ("toolCallId", "inputTextDelta") if type == "tool-input" else ("id", "delta")
    head = json_escaped(_encode({"type": f"{type}-delta", name: id}))
    return b'data: %b,"%b":' % (head[:-1], text.encode())
