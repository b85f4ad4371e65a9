"""Where nobody hears it, a step passes on what it was given."""

from __future__ import annotations

from shared.tracing.trace_context import TraceContext
from shared.tracing.tracing import NO_CALL, NO_TRACING, Endpoint

PARENT = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


async def test_nothing_is_recorded_and_the_caller_s_trace_goes_on() -> None:
    assert not NO_TRACING.on
    span = NO_TRACING.span("step", "server", PARENT, {})
    span.say({"a": 1}, "another")
    span.end("broken")
    assert span.trace == PARENT
    assert NO_TRACING.span("step", "server", None, {}).trace is None
    assert NO_TRACING.call(PARENT, Endpoint("p", "http://a.test"), "m") is NO_CALL
    NO_CALL.heard()
    NO_CALL.answered(None, None, None)
    await NO_TRACING.aclose()
