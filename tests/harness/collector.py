"""A collector of OpenTelemetry's protocol over HTTP: keeps what it is sent, or fails as collectors do."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

from opentelemetry.exporter.otlp.common import http
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# A thread of the SDK that tries again draws from `random`, perhaps long after its test: of others' hands in that
# Hypothesis takes the strategy of another test for broken.
http.random = random.SystemRandom()  # type: ignore[attr-defined, assignment]

Mood = Literal["takes", "hangs", "fails", "is busy"]
"""Answers 200, never answers, answers 500 (which is final), or 503 (after which it is tried again)."""


@dataclass(frozen=True)
class SeenSpan:
    """One span as it came."""

    service: str
    scope: str
    schema: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    state: str
    """`tracestate`."""
    failed: bool
    attributes: dict[str, Any]


@dataclass(frozen=True)
class SeenPoint:
    """One point of a histogram as it came."""

    service: str
    schema: str
    name: str
    unit: str
    count: int
    total: float
    bounds: tuple[float, ...]
    attributes: dict[str, Any]


class Collector:
    """Listens on a port of its own while its block runs."""

    def __init__(self, mood: Mood = "takes") -> None:
        self.mood = mood
        self.bodies: list[tuple[str, bytes]] = []
        """Path and body of each request, whatever became of it."""
        self._left = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.bodies.append((self.path, body))
                if collector.mood == "hangs":
                    collector._left.wait()
                    return
                self.send_response({"takes": 200, "fails": 500, "is busy": 503}[collector.mood])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    async def until(self, met: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(seconds):
            while not met():
                await asyncio.sleep(0.05)

    def spans(self, trace: str | None = None) -> list[SeenSpan]:
        """All that came, or those of one trace."""
        return [span for span in self._spans() if trace in (None, span.trace)]

    def _spans(self) -> Iterator[SeenSpan]:
        for path, body in list(self.bodies):
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    service = _attributes(resource.resource.attributes)["service.name"]
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            yield SeenSpan(
                                service, scope.scope.name, scope.schema_url, span.name, span.kind,
                                span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.trace_state,
                                span.status.code == 2, _attributes(span.attributes),
                            )  # fmt: skip

    def points(self) -> list[SeenPoint]:
        """The newest points of each histogram."""
        newest: dict[tuple[str, str, str], SeenPoint] = {}
        for path, body in list(self.bodies):
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    named = _attributes(resource.resource.attributes)
                    for scope in resource.scope_metrics:
                        for metric in scope.metrics:
                            for point in metric.histogram.data_points:
                                labels = _attributes(point.attributes)
                                newest[named["service.instance.id"], metric.name, str(sorted(labels.items()))] = (
                                    SeenPoint(
                                        named["service.name"], scope.schema_url, metric.name, metric.unit, point.count,
                                        point.sum, tuple(point.explicit_bounds), labels,
                                    )
                                )  # fmt: skip
        return list(newest.values())


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
