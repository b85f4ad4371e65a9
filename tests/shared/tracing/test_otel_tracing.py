"""Spans and measurements, as a collector gets them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.log.events import Response, Usage
from shared.tracing import conventions as words
from shared.tracing import otel_tracing
from shared.tracing.begin import begin_tracing
from shared.tracing.otel_tracing import MAX_NAME_CHARS, OTHER
from shared.tracing.trace_context import TraceContext
from shared.tracing.tracing import Endpoint, Tracing
from tests.harness.collector import Collector

ENDPOINT = Endpoint("mine", "https://u:secret@a.test/v1?key=secret")
PARENT = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=x")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
async def tracing(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tracing]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    found = begin_tracing("test")
    assert found.on
    yield found
    await found.aclose()


async def test_a_step_goes_on_with_its_parent_s_trace(tracing: Tracing, collector: Collector) -> None:
    first = tracing.span("first", "server", PARENT, {"a": 1})
    second = tracing.span("second", "internal", first.trace, {})
    alone = tracing.span("alone", "internal", None, {})
    second.end("broken")
    second.end()
    first.say({"b": "x"}, "renamed")
    for span in (first, alone):
        span.end()
    await tracing.aclose()
    seen = {span.name: span for span in collector.spans()}
    assert (seen["renamed"].trace, seen["renamed"].parent) == (PARENT.trace_id, PARENT.span_id)
    assert (seen["renamed"].attributes, seen["renamed"].failed) == ({"a": 1, "b": "x"}, False)
    assert (seen["second"].trace, seen["second"].parent) == (PARENT.trace_id, seen["renamed"].id)
    assert (seen["second"].attributes, seen["second"].failed) == ({"error.type": "broken"}, True)
    assert seen["alone"].trace != PARENT.trace_id
    assert len(collector.spans()) == 3
    assert first.trace == TraceContext(f"00-{PARENT.trace_id}-{seen['renamed'].id}-01", "vendor=x")


async def test_what_the_caller_does_not_record_is_not_recorded_and_still_passed_on(
    tracing: Tracing, collector: Collector
) -> None:
    parent = PARENT._replace(traceparent=PARENT.traceparent[:-1] + "0")
    span = tracing.span("unseen", "server", parent, {})
    call = tracing.call(span.trace, ENDPOINT, "m")
    call.end()
    span.end()
    await tracing.aclose()
    assert collector.spans() == []
    assert span.trace is not None
    assert (span.trace.trace_id, span.trace.flags) == (PARENT.trace_id, 0)
    assert [point.count for point in collector.points() if point.name == words.DURATION] == [1]


async def test_a_call_says_what_it_was_answered_and_no_address_but_its_host(
    tracing: Tracing, collector: Collector
) -> None:
    call = tracing.call(None, ENDPOINT, "m")
    call.answered(Response(response_id="r" * 999, model="n"), None, None)
    call.end("rate_limit")
    call.end()
    await tracing.aclose()
    [span] = collector.spans()
    assert span.attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "mine", "gen_ai.request.model": "m",
        "gen_ai.request.stream": True, "server.address": "a.test", "server.port": 443,
        "gen_ai.response.id": "r" * MAX_NAME_CHARS, "gen_ai.response.model": "n", "error.type": "rate_limit",
    }  # fmt: skip
    [duration] = collector.points()
    assert (duration.name, duration.attributes["error.type"]) == (words.DURATION, "rate_limit")
    assert b"secret" not in b"".join(body for _, body in collector.bodies)


async def test_invented_models_are_one(tracing: Tracing, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel_tracing, "MAX_MODELS", 3)
    for n in range(9):
        tracing.call(None, ENDPOINT, f"m{n}").end()
    await tracing.aclose()
    counts = {point.attributes["gen_ai.request.model"]: point.count for point in collector.points()}
    assert counts == {"m0": 1, "m1": 1, "m2": 1, OTHER: 6}


async def test_a_count_that_cannot_be_is_not_measured(tracing: Tracing, collector: Collector) -> None:
    call = tracing.call(None, ENDPOINT, "m")
    call.heard()
    call.answered(None, Usage(output_tokens=-1), "stop")
    call.end()
    await tracing.aclose()
    assert {point.name for point in collector.points()} == {words.DURATION, words.TIME_TO_FIRST_CHUNK}


@pytest.mark.parametrize(("off", "traces", "metrics"), [("TRACES", False, True), ("METRICS", True, False)])
async def test_one_without_the_other(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, off: str, traces: bool, metrics: bool
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv(f"OTEL_{off}_EXPORTER", "none")
    tracing = begin_tracing("test")
    span = tracing.span("step", "internal", PARENT, {})
    tracing.call(span.trace, ENDPOINT, "m").end()
    span.end()
    await tracing.aclose()
    assert (bool(collector.spans()), bool(collector.points())) == (traces, metrics)
    assert span.trace is not None
    assert span.trace.trace_id == PARENT.trace_id
