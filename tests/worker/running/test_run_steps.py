"""The steps of a generation's run, through a real worker and provider, at a collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.record import Acceptance
from shared.tracing.begin import begin_tracing
from shared.tracing.trace_context import TraceContext
from tests.harness.collector import Collector, SeenSpan
from tests.worker.conftest import Midstream, said_something
from tests.worker.providers.upstream import Reply, Upstream
from worker.main import build

INTERNAL, CLIENT, CONSUMER = 1, 3, 5
TRACE = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture(autouse=True)
def _in_a_trace(generations: Generations, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is asked here belongs to one trace, as if the API had been told so."""
    accept = generations.accept

    async def traced(acceptance: Acceptance) -> object:
        return await accept(replace(acceptance, trace=TRACE))

    monkeypatch.setattr(generations, "accept", traced)


@asynccontextmanager
async def tracing_worker(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that runs inside, and whose spans have been sent at the end."""
    worker = build(settings, tracing=begin_tracing("midstream-worker"))
    task = asyncio.create_task(worker.serve())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def of_kind(collector: Collector, kind: int) -> list[SeenSpan]:
    return [span for span in collector.spans(TRACE.trace_id) if span.kind == kind]


def errors(spans: list[SeenSpan]) -> list[str | None]:
    return [span.attributes.get("error.type") for span in spans]


async def test_a_fallback_is_another_attempt_of_the_same_job(
    settings: Settings, midstream: Midstream, collector: Collector
) -> None:
    async with tracing_worker(settings):
        model = "simulator/lorem?fault=400"
        await midstream.ended(await midstream.ask(model, fallback=["simulator-anthropic/lorem?deltas=3&rate=0"]))
    [job] = of_kind(collector, CONSUMER)
    attempts, calls = of_kind(collector, INTERNAL), of_kind(collector, CLIENT)
    assert job.parent == TRACE.span_id
    assert errors([job]) == [None]
    assert {attempt.parent for attempt in attempts} == {job.id}
    told = [(a.attributes["midstream.attempt.reason"], a.attributes["midstream.attempt.model"]) for a in attempts]
    assert told == [("new", "simulator/lorem"), ("fallback", "simulator-anthropic/lorem")]
    assert errors(attempts) == errors(calls) == ["bad_request", None]
    assert [call.parent for call in calls] == [attempt.id for attempt in attempts]
    assert [call.attributes["gen_ai.provider.name"] for call in calls] == ["simulator", "simulator-anthropic"]


async def test_a_cancel_is_no_failure_of_the_job(
    settings: Settings, midstream: Midstream, collector: Collector
) -> None:
    async with tracing_worker(settings):
        generation_id = await midstream.ask("simulator/lorem?deltas=9999&rate=50")
        await midstream.until(generation_id, said_something)
        await midstream.generations.cancel(generation_id)
        await midstream.ended(generation_id)
    assert errors(of_kind(collector, CLIENT)) == ["cancelled"]
    assert errors([*of_kind(collector, INTERNAL), *of_kind(collector, CONSUMER)]) == [None, None]


async def test_what_a_worker_leaves_has_ended_there(
    settings: Settings, midstream: Midstream, collector: Collector
) -> None:
    async with tracing_worker(settings):
        await midstream.until(await midstream.ask("simulator/lorem?deltas=9999&rate=50"), said_something)
    [job], [attempt], [call] = (of_kind(collector, kind) for kind in (CONSUMER, INTERNAL, CLIENT))
    assert (attempt.parent, call.parent) == (job.id, attempt.id)


async def test_a_copy_calls_nobody(settings: Settings, midstream: Midstream, collector: Collector) -> None:
    async with tracing_worker(settings):
        for _ in range(2):
            await midstream.ended(await midstream.ask("simulator/lorem?deltas=3&rate=0", cache={"ttl": 60}))
    cached = [attempt.attributes["midstream.attempt.cached"] for attempt in of_kind(collector, INTERNAL)]
    assert (cached, len(of_kind(collector, CLIENT))) == ([False, True], 1)


async def test_a_model_s_parameters_are_not_told(
    settings: Settings, midstream: Midstream, collector: Collector
) -> None:
    async with tracing_worker(settings):
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=3&rate=0&key=secret"))
    assert of_kind(collector, CLIENT) != []
    assert b"secret" not in b"".join(body for _, body in collector.bodies)


@pytest.mark.parametrize(
    ("protocol", "pieces"),
    [
        (
            "openai-chat",
            [
                b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n',
                b"data: [DONE]\n\n",
            ],
        ),
        ("anthropic", []),
        ("openai-responses", []),
        ("gemini", []),
    ],
)
async def test_no_provider_is_told_the_trace(
    settings: Settings, midstream: Midstream, collector: Collector, protocol: Protocol, pieces: list[bytes]
) -> None:
    upstream = Upstream()
    await upstream.start()
    upstream.reply = Reply(pieces)
    settings.retries = 0
    settings.providers = {"acme": ProviderSettings(protocol=protocol, base_url=f"{upstream.url}/v1")}
    try:
        async with tracing_worker(settings):
            await midstream.ended(await midstream.ask("acme/m", on_interrupt="fail"))
    finally:
        await upstream.stop()
    assert [span.attributes["gen_ai.provider.name"] for span in of_kind(collector, CLIENT)] == ["acme"]
    [call] = upstream.calls
    assert TRACE.trace_id not in str(call.headers.multi_items())
    assert {"traceparent", "tracestate", "baggage"}.isdisjoint(call.headers)
