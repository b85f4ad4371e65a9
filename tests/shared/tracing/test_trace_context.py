"""Which values of `traceparent` are a trace (W3C Trace Context, 3.2)."""

from __future__ import annotations

import pytest

from shared.tracing.trace_context import TraceContext, given_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_its_parts() -> None:
    trace = TraceContext.parse(PARENT, "a=1,b=2")
    assert trace == TraceContext(PARENT, "a=1,b=2")
    assert trace is not None
    assert (trace.trace_id, trace.span_id, trace.flags) == (TRACE, SPAN, 1)


@pytest.mark.parametrize(
    "text",
    [
        "", "00", PARENT.upper(), f" {PARENT}", f"{PARENT}\n", f"{PARENT}-more", f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE[:-1]}-{SPAN}-01", f"00-{TRACE}-{SPAN}-1",
        f"01-{TRACE}-{SPAN}-01more", f"00-{TRACE}-{SPAN}-0g",
    ],
)  # fmt: skip
def test_what_is_none_begins_a_new_one(text: str) -> None:
    assert TraceContext.parse(text) is None


@pytest.mark.parametrize("more", ["", "-what-it-will-add"])
def test_a_later_version_is_read_as_ours(more: str) -> None:
    assert TraceContext.parse(f"cc-{TRACE}-{SPAN}-03{more}") == TraceContext(f"00-{TRACE}-{SPAN}-03")


@pytest.mark.parametrize("state", ["é=1", "a=1\r\nx: y", "a" * 513])
def test_a_state_that_must_not_be_passed_on_costs_the_state_alone(state: str) -> None:
    assert TraceContext.parse(PARENT, state) == TraceContext(PARENT)


def test_of_a_request() -> None:
    parent, state = (b"traceparent", PARENT.encode()), (b"tracestate", b"a=1")
    assert given_trace([(b"host", b"x")]) is None
    assert given_trace([parent]) == TraceContext(PARENT)
    assert given_trace([state, parent, (b"tracestate", b"b=2")]) == TraceContext(PARENT, "a=1,b=2")
    assert given_trace([state]) is None
    assert given_trace([parent, (b"traceparent", PARENT.replace("b7", "c7").encode())]) is None
    assert given_trace([(b"traceparent", b"\xff\xfe")]) is None
