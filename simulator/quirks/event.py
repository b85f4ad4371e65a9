"""One server-sent event of an answer, as quirks take it and give it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.wire import document


@dataclass(slots=True)
class Event:
    """An event that quirks may change in place."""

    due: int
    """Index of the delta with which it is written; -1 before the first, the number of deltas after the last."""
    data: Any
    """The JSON as parsed; text that is no JSON as `str`."""
    name: str = ""
    """The SSE field `event`; empty without."""
    line: bytes = b"\n"
    """What ends a line."""
    raw: bytes | None = None
    """What is sent in place of all that; None sends it as it should be."""

    def frame(self) -> bytes:
        """The bytes on the wire."""
        if self.raw is not None:
            return self.raw
        data = self.data.encode() if isinstance(self.data, str) else document(self.data)
        name = b"event: %s%s" % (self.name.encode(), self.line) if self.name else b""
        return b"%sdata: %s%s" % (name, data, self.line * 2)

    def after(self, data: Any, name: str = "") -> "Event":
        """Another event, sent together with this one."""
        return Event(self.due, data, name, self.line)

    def bytes_after(self, raw: bytes) -> "Event":
        """Bytes that need be no event, sent together with this one."""
        return Event(self.due, "", line=self.line, raw=raw)


def events_of(frames: bytes, due: int) -> Iterator[Event]:
    """The events of a writer's bytes."""
    line = b"\r\n" if frames.endswith(b"\r\n\r\n") else b"\n"
    for block in frames.split(line * 2)[:-1]:
        fields = dict(field.split(b": ", 1) for field in block.split(line))
        text = fields[b"data"].decode()
        data = json.loads(text) if text.startswith("{") else text
        yield Event(due, data, fields.get(b"event", b"").decode(), line)
