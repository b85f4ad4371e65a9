"""Traces and metrics of real processes at a real collector: over the API, the queue, every attempt and the provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from shared.tracing import conventions as words
from tests.e2e.viewers import ask, parse, watch
from tests.harness.collector import Collector, Mood, SeenSpan
from tests.harness.ports import free_port
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARY = "canary-7f3e-of-what-was-asked"


def variables(endpoint: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """An API and two workers, which may have one generation each."""
    environment = variables(collector.url) | {
        "MIDSTREAM_CONCURRENCY": "1",
        "MIDSTREAM_LOG_LEVEL": "debug",
        "MIDSTREAM_LOG_FORMAT": "json",
    }
    async with Stack(tmp_path_factory.mktemp("traced"), workers=2, environment=environment) as running:
        yield running
        running.show()


def headers(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{SPAN}-01", "tracestate": "vendor=opaque"}


async def post(http: httpx2.AsyncClient, stack: Stack, model: str, trace: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": CANARY}]}
    response = await http.post(f"{stack.apis[0].url}/v1/generations", json=body, headers=headers(trace))
    assert response.status_code == 202, response.text
    generation_id: str = response.json()["id"]
    return generation_id


def one(spans: list[SeenSpan], kind: int) -> SeenSpan:
    [found] = [span for span in spans if span.kind == kind]
    return found


async def test_one_trace_from_the_request_to_the_provider(
    traced: Stack, collector: Collector, http: httpx2.AsyncClient
) -> None:
    generation_id = await post(http, traced, "simulator/echo?rate=0", TRACE)
    await watch(traced.apis[0].url, generation_id)
    await collector.until(lambda: len(collector.spans(TRACE)) >= 5)
    spans = collector.spans(TRACE)
    server, sent, job, attempt, call = (one(spans, k) for k in (SERVER, PRODUCER, CONSUMER, INTERNAL, CLIENT))
    assert len(spans) == 5
    assert [span.parent for span in (server, sent, job, attempt, call)] == [
        SPAN, server.id, sent.id, job.id, attempt.id,
    ]  # fmt: skip
    assert [span.service for span in (server, sent)] == ["midstream-api"] * 2
    assert [span.service for span in (job, attempt, call)] == ["midstream-worker"] * 3
    assert {(span.scope, span.schema) for span in spans} == {(words.SCOPE, words.SCHEMA_URL)}
    assert {span.state for span in spans} == {"vendor=opaque"}
    assert not any(span.failed for span in spans)
    assert server.name == "POST /v1/generations"
    assert server.attributes == {
        "http.request.method": "POST", "url.scheme": "http", "http.route": "/v1/generations",
        "http.response.status_code": 202,
    }  # fmt: skip
    assert (sent.name, job.name) == ("send midstream:queue", "process midstream:queue")
    assert sent.attributes["messaging.message.id"] == job.attributes["messaging.message.id"] == generation_id
    snapshot = (await http.get(f"{traced.apis[0].url}/v1/generations/{generation_id}")).json()
    assert job.attributes["midstream.queued_ms"] == snapshot["queued_ms"]
    assert attempt.attributes == {
        "midstream.attempt.number": 1, "midstream.attempt.reason": "new", "midstream.attempt.continues": False,
        "midstream.attempt.cached": False, "midstream.attempt.model": "simulator/echo",
    }  # fmt: skip
    assert call.name == "chat echo"
    port = httpx2.URL(traced.simulator_url).port
    usage = snapshot["usage"]
    assert call.attributes.pop("gen_ai.response.time_to_first_chunk") > 0
    assert call.attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "simulator", "gen_ai.request.model": "echo",
        "gen_ai.request.stream": True, "server.address": "127.0.0.1", "server.port": port,
        "gen_ai.response.id": snapshot["response"]["response_id"],
        "gen_ai.response.model": snapshot["response"]["model"].partition("?")[0],
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": usage["input_tokens"],
        "gen_ai.usage.output_tokens": usage["output_tokens"],
        "gen_ai.usage.cache_read.input_tokens": usage["cached_tokens"],
        "gen_ai.usage.cache_creation.input_tokens": usage["cache_write_tokens"],
        "gen_ai.usage.reasoning.output_tokens": usage["reasoning_tokens"],
    }  # fmt: skip


async def test_the_worker_s_lines_name_the_trace(traced: Stack, http: httpx2.AsyncClient) -> None:
    trace = "7" * 32
    generation_id = await post(http, traced, "simulator/lorem?deltas=2&rate=0", trace)
    await watch(traced.apis[0].url, generation_id)

    def lines() -> list[dict[str, object]]:
        said = "\n".join(worker.output.read_text(errors="replace") for worker in traced.workers).splitlines()
        return [json.loads(line) for line in said if generation_id in line and line.endswith("}")]

    while len(found := [line["trace"] for line in lines() if line.get("generation") == generation_id]) < 2:
        await asyncio.sleep(0.05)
    assert set(found) == {trace}


async def test_the_attempt_after_a_killed_worker_is_in_the_same_trace(
    traced: Stack, collector: Collector, http: httpx2.AsyncClient
) -> None:
    trace = "1" * 32
    generation_id = await post(http, traced, "simulator/lorem?deltas=60&rate=20", trace)
    url = f"{traced.apis[0].url}/v1/generations/{generation_id}"
    await collector.until(lambda: len(collector.spans(trace)) >= 2)
    holder = await _holder(traced, http, url)
    await traced.workers[holder].kill()
    body = await watch(traced.apis[0].url, generation_id)
    assert [data["reason"] for _, event, data in parse(body) if event == "attempt"] == ["new", "worker_lost"]
    await collector.until(lambda: any(span.kind == CONSUMER for span in collector.spans(trace)))
    spans = collector.spans(trace)
    server, sent, job, attempt, call = (one(spans, k) for k in (SERVER, PRODUCER, CONSUMER, INTERNAL, CLIENT))
    assert [span.parent for span in (server, sent, job, attempt, call)] == [
        SPAN, server.id, sent.id, job.id, attempt.id,
    ]  # fmt: skip
    assert (attempt.attributes["midstream.attempt.number"], attempt.attributes["midstream.attempt.reason"]) == (
        2, "worker_lost",
    )  # fmt: skip


async def _holder(stack: Stack, http: httpx2.AsyncClient, url: str) -> int:
    """Which worker runs it: the one whose log says that it has started."""
    generation_id = url.rpartition("/")[2]
    for _ in range(200):
        for n, worker in enumerate(stack.workers):
            if f"{generation_id} started" in worker.output.read_text(errors="replace"):
                while not (await http.get(url)).json()["text"]:
                    pass
                return n
        await http.get(url)
    raise AssertionError("no worker has started it")


async def test_each_try_and_each_attempt_is_a_step_and_failures_are_told_by_their_code(
    traced: Stack, collector: Collector, http: httpx2.AsyncClient
) -> None:
    trace = "2" * 32
    model = "simulator/lorem?deltas=3&rate=0&fault=529&times=1&key=traces-retry"
    await watch(traced.apis[0].url, await post(http, traced, model, trace))
    await collector.until(lambda: any(span.kind == CONSUMER for span in collector.spans(trace)))
    spans = collector.spans(trace)
    tries = [span for span in spans if span.kind == CLIENT]
    assert [(span.failed, span.attributes.get("error.type")) for span in tries] == [(True, "overloaded"), (False, None)]
    assert {span.parent for span in tries} == {one(spans, INTERNAL).id}

    trace = "3" * 32
    await watch(traced.apis[0].url, await post(http, traced, "simulator/lorem?fault=400", trace))
    await collector.until(lambda: any(span.kind == CONSUMER for span in collector.spans(trace)))
    failed = {span.kind: span.attributes["error.type"] for span in collector.spans(trace) if span.failed}
    assert failed == {CONSUMER: "bad_request", INTERNAL: "bad_request", CLIENT: "bad_request"}


async def test_a_trace_begins_where_the_caller_has_none(
    traced: Stack, collector: Collector, http: httpx2.AsyncClient
) -> None:
    generation_id = await ask(http, traced.apis[0].url, "simulator/lorem?deltas=2&rate=0")
    await watch(traced.apis[0].url, generation_id)

    def of_it() -> list[SeenSpan]:
        return [s for s in collector.spans() if s.attributes.get("messaging.message.id") == generation_id]

    await collector.until(lambda: len(of_it()) == 2)
    [trace] = {span.trace for span in of_it()}
    assert trace not in (TRACE, "1" * 32)
    assert one(collector.spans(trace), SERVER).parent == ""


async def test_the_first_request_s_trace_stands(traced: Stack, collector: Collector, http: httpx2.AsyncClient) -> None:
    url = f"{traced.apis[0].url}/v1/generations"
    body = {"model": "simulator/lorem?deltas=2&rate=0", "messages": [{"role": "user", "content": CANARY}]}
    for trace in ("4" * 32, "5" * 32):
        sent = headers(trace) | {"Idempotency-Key": "traces-first"}
        assert (await http.post(url, json=body, headers=sent)).status_code == 202
    await collector.until(lambda: any(span.kind == CONSUMER for span in collector.spans("4" * 32)))
    await collector.until(lambda: len(collector.spans("5" * 32)) >= 2)
    assert {span.kind for span in collector.spans("5" * 32)} == {SERVER, PRODUCER}


async def test_metrics_have_the_names_and_units_of_the_conventions(
    traced: Stack, collector: Collector, http: httpx2.AsyncClient
) -> None:
    generation_id = await post(http, traced, "simulator-anthropic/lorem?deltas=9&rate=100", "6" * 32)
    await watch(traced.apis[0].url, generation_id)
    snapshot = (await http.get(f"{traced.apis[0].url}/v1/generations/{generation_id}")).json()
    named = {"gen_ai.provider.name": "simulator-anthropic", "gen_ai.request.model": "lorem"}

    def points() -> dict[tuple[str, str | None], tuple[str, int, float, int]]:
        return {
            (p.name, p.attributes.get("gen_ai.token.type")): (p.unit, p.count, p.total, len(p.bounds))
            for p in collector.points()
            if named.items() <= p.attributes.items()
        }

    await collector.until(lambda: len(points()) == 5)
    found = points()
    usage = snapshot["usage"]
    assert found["gen_ai.client.token.usage", "input"] == ("{token}", 1, usage["input_tokens"], 14)
    assert found["gen_ai.client.token.usage", "output"] == ("{token}", 1, usage["output_tokens"], 14)
    seconds = {name: found[name, None] for name in (words.DURATION, words.TIME_TO_FIRST_CHUNK)}
    assert {(unit, count, bounds) for unit, count, _, bounds in seconds.values()} == {("s", 1, 14)}
    unit, chunks, between, bounds = found[words.TIME_PER_OUTPUT_CHUNK, None]
    assert (unit, bounds) == ("s", 14)
    assert chunks >= 1
    # The first piece, and the times between all others, are all of the call but its end.
    assert seconds[words.TIME_TO_FIRST_CHUNK][2] + between <= seconds[words.DURATION][2]
    assert {p.schema for p in collector.points()} == {words.SCHEMA_URL}
    assert {p.service for p in collector.points()} == {"midstream-worker"}


async def test_nothing_of_what_was_asked_or_answered_is_sent(traced: Stack, collector: Collector) -> None:
    """All that the tests before had sent, which is why this one is the last of them."""
    sent = b"".join(body for _, body in collector.bodies)
    assert TRACE.encode() not in sent  # it is binary
    assert bytes.fromhex(TRACE) in sent
    assert CANARY.encode() not in sent
    assert b"Lorem" not in sent
    assert b"dolor" not in sent


async def test_a_collector_that_takes_nothing_stops_nothing(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    """Neither while they run, one mood after the other, nor at the end, when it is silent."""
    moods: tuple[Mood, ...] = ("fails", "is busy", "hangs")
    with Collector() as collector:
        async with Stack(tmp_path / "stack", environment=variables(collector.url)) as stack:
            processes = (*stack.apis, *stack.workers)
            for n, collector.mood in enumerate(moods):
                before = len(collector.bodies)
                ids = [
                    await post(http, stack, "simulator/lorem?deltas=9&rate=0", f"{n:016x}{m + 1:016x}")
                    for m in range(5)
                ]
                bodies = [await watch(stack.apis[0].url, one) for one in ids]
                assert {parse(body)[-1][1] for body in bodies} == {"completed"}
                await collector.until(lambda before=before: len(collector.bodies) > before + 1)  # type: ignore[misc]
            assert [await process.stop() for process in processes] == [0, 0]  # one that must be killed has another
            said = "".join(process.output.read_text(errors="replace") for process in processes)
    assert "Traceback" not in said
    assert said.count("spans do not reach the collector") == len(processes)


async def test_a_collector_that_is_away_stops_nothing(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    async with Stack(tmp_path / "stack", environment=variables(f"http://127.0.0.1:{free_port()}")) as stack:
        generation_id = await post(http, stack, "simulator/lorem?deltas=9&rate=0", TRACE)
        assert parse(await watch(stack.apis[0].url, generation_id))[-1][1] == "completed"
        await stack.workers[0].said("metrics do not reach the collector")
        assert [await process.stop() for process in (*stack.apis, *stack.workers)] == [0, 0]
