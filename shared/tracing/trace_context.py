"""Which trace a request belongs to, and which of its spans comes before what is done next (W3C Trace Context)."""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import NamedTuple, Self

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
"""What all members of a list may have, and how much of it everybody must pass on (W3C Trace Context, 3.3.1.5)."""


class TraceContext(NamedTuple):
    """The headers `traceparent` and `tracestate`, as the next one in the trace is given them."""

    traceparent: str
    """`00-TRACE-SPAN-FLAGS`."""
    tracestate: str = ""
    """What systems of others on the way want to know; opaque to us."""

    @classmethod
    def parse(cls, traceparent: str, tracestate: str = "") -> Self | None:
        """Returns what these values say; None where `traceparent` is none, so that a new trace begins.

        One of a later version is read as one of ours is, by its first four fields (W3C Trace Context, 3.2.4).
        """
        found = _TRACEPARENT.fullmatch(traceparent)
        if found is None:
            return None
        version, trace, span, flags, more = found.groups()
        if version == "ff" or (version == "00" and more) or not (trace.strip("0") and span.strip("0")):
            return None
        return cls(f"00-{trace}-{span}-{flags}", tracestate if _TRACESTATE.fullmatch(tracestate) else "")

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, the same for all that belongs together."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits: the span that comes before."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """1 where the trace is recorded."""
        return int(self.traceparent[53:], 16)


served: ContextVar[TraceContext | None] = ContextVar("midstream.trace", default=None)
"""The trace of the request that is being served; None where it has none."""


def given_trace(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Returns the trace that a request says it belongs to; None where it says none, or several."""
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    if len(parents) != 1:
        return None
    return TraceContext.parse(parents[0].decode("latin-1").strip(), b",".join(states).decode("latin-1").strip())
