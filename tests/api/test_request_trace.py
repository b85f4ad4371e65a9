"""A request's place in a trace, over HTTP: with a collector, and without anything that records."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from api.serving.access_log import logger
from shared.config.settings import load
from shared.process.log_context import told
from shared.record import Record
from shared.tracing.begin import begin_tracing
from shared.tracing.trace_context import TraceContext
from tests.api.harness import BODY, Api
from tests.harness.collector import Collector, SeenSpan

SERVER, PRODUCER = 2, 4
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=x"}
KEY = "a-key-that-is-long-enough"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
async def traced(redis_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    settings = load(redis_url=redis_url, simulator_url="http://127.0.0.1:9", redis_timeout=2.0)
    async with Api(settings, tracing=begin_tracing("midstream-api")) as api:
        yield api


async def trace_of(api: Api, generation_id: str) -> TraceContext | None:
    record: Record | None = (await api.generations.find(generation_id)).record
    assert record is not None
    return record.trace


async def seen(collector: Collector, count: int) -> list[SeenSpan]:
    await collector.until(lambda: len(collector.spans()) >= count)
    return collector.spans()


async def test_without_what_records_a_caller_s_trace_is_kept_as_it_is(api: Api) -> None:
    assert await trace_of(api, await api.post(headers=PARENT)) == TraceContext(PARENT["traceparent"], "vendor=x")
    assert await trace_of(api, await api.post()) is None
    assert await trace_of(api, await api.post(headers={"traceparent": "none"})) is None


async def test_lines_of_a_request_that_waited_for_the_one_before_do_not_name_its_trace(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Mapping[str, str | int]] = []

    def note(record: logging.LogRecord) -> bool:
        lines.append(told())
        return False

    monkeypatch.setattr(logger, "filters", [note])
    monkeypatch.setattr(logger, "level", logging.INFO)
    first = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\ntraceparent: {PARENT['traceparent']}\r\n\r\n"
    second = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write((first + second).encode())
    assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 2
    writer.close()
    assert lines == [{"trace": TRACE}, {}]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"])
async def test_a_dialect_s_request_has_a_trace_too(api: Api, path: str) -> None:
    body = {"model": BODY["model"], "max_tokens": 9, "messages": BODY["messages"], "stream": True}
    if path == "/v1/responses":
        body = {"model": BODY["model"], "input": "Hi.", "stream": True}
    if path == "/api/chat":
        body = {"id": "c", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hi."}]}]}
    async with api.client.stream("POST", path, json=body, headers=PARENT) as answer:
        assert answer.status_code == 200, await answer.aread()
        [found] = (await api.client.get("/v1/generations")).json()["data"]
    assert await trace_of(api, found["id"]) == TraceContext(PARENT["traceparent"], "vendor=x")


async def test_the_worker_is_given_the_step_that_sent_it(traced: Api, collector: Collector) -> None:
    trace = await trace_of(traced, await traced.post(headers=PARENT))
    server, sent = sorted(await seen(collector, 2), key=lambda span: span.kind)
    assert (server.kind, sent.kind) == (SERVER, PRODUCER)
    assert (server.parent, sent.parent) == ("b7ad6b7169203331", server.id)
    assert trace == TraceContext(f"00-{TRACE}-{sent.id}-01", "vendor=x")


async def test_a_stream_s_step_ends_though_the_stream_goes_on(traced: Api, collector: Collector) -> None:
    async with traced.client.stream("POST", "/v1/generations", json=BODY | {"stream": True}, headers=PARENT) as answer:
        assert answer.status_code == 200
        server = next(span for span in await seen(collector, 2) if span.kind == SERVER)
        assert server.attributes["http.response.status_code"] == 200
        assert server.name == "POST /v1/generations"


async def test_what_is_refused_is_told_by_its_code(traced: Api, collector: Collector) -> None:
    traced.settings.max_pending = 0
    answer = await traced.client.post("/v1/generations", json=BODY)
    assert answer.status_code == 429
    server, sent = sorted(await seen(collector, 2), key=lambda span: span.kind)
    assert (sent.failed, sent.attributes["error.type"]) == (True, "queue_full")
    # That is no failure of ours (docs/http/http-spans.md: a status below 500 leaves a server's unset).
    assert (server.failed, server.attributes["http.response.status_code"]) == (False, 429)


async def test_a_path_is_told_by_its_route_alone(traced: Api, collector: Collector) -> None:
    for path in ("/v1/generations/gen_of-somebody", "/v1/nothing-like-it", "/livez", "/"):
        await traced.client.get(path, params={"token": "secret"}, headers={"X-Api-Key": "secret"})
    names = sorted(span.name for span in await seen(collector, 2))
    sent = b"".join(body for _, body in collector.bodies)
    assert names == ["GET", "GET /v1/generations/{id}"]
    assert b"secret" not in sent
    assert b"of-somebody" not in sent
