"""Sends spans and metrics over OTLP, in threads of the SDK: a collector that is away or silent stops nobody.

What waits is bounded by the SDK (`OTEL_BSP_MAX_QUEUE_SIZE` spans; metrics are sums), and an export by
`OTEL_EXPORTER_OTLP_TIMEOUT`. At the end of the process what is left is sent in a moment or not at all.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Tracer

from shared.process.version import version
from shared.tracing.chunk_times import ChunkTimes
from shared.tracing.conventions import SCHEMA_URL, SCOPE
from shared.tracing.standard_variables import Wanted

logger = logging.getLogger("midstream.tracing")

FLUSH_S = 2.0
"""Seconds that the end of a process waits for what is left to be sent."""


class Exporting:
    """What sends what a process records: a tracer and a meter, None for what is not asked for."""

    def __init__(self, service: str, asked: Wanted, environment: Mapping[str, str]) -> None:
        resource = _resource(service, environment)
        preference = environment.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
        self.chunk_times = ChunkTimes(deltas=preference in ("delta", "lowmemory"))
        self.tracer: Tracer | None = None
        self.meter: Meter | None = None
        self._providers: list[TracerProvider | MeterProvider] = []
        if asked.traces:
            # By `shutdown_on_exit` a collector that is silent would hold up the end of the process.
            tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            tracers.add_span_processor(BatchSpanProcessor(_SpanExporter()))
            self.tracer = tracers.get_tracer(SCOPE, version(), schema_url=SCHEMA_URL)
            self._providers.append(tracers)
        if asked.metrics:
            reader = PeriodicExportingMetricReader(_MetricExporter(self.chunk_times))
            meters = MeterProvider([reader], resource, shutdown_on_exit=False)
            self.meter = meters.get_meter(SCOPE, version(), schema_url=SCHEMA_URL)
            self._providers.append(meters)
        # From now on what goes wrong is told by the exporters here, once; the SDK's lines come at each try.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    async def aclose(self) -> None:
        """Sends what is left, for FLUSH_S at most; what has not left by then is lost with the process."""
        providers, self._providers = self._providers, []
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await asyncio.gather(*(_shut_down(provider) for provider in providers))


async def _shut_down(provider: TracerProvider | MeterProvider) -> None:
    """Waits until a provider has sent what is left, in a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def shut_down() -> None:
        try:
            provider.shutdown()
        finally:
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(over.set)

    threading.Thread(target=shut_down, daemon=True).start()
    await over.wait()


def _resource(service: str, environment: Mapping[str, str]) -> Resource:
    """Returns what the process is: what the standard variables say of that, and else our words."""
    ours = {"service.version": version(), "service.instance.id": secrets.token_hex(16)}
    attributes = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {pair.partition("=")[0].strip() for pair in attributes.split(",")}
    if not environment.get("OTEL_SERVICE_NAME", "").strip() and "service.name" not in named:
        ours["service.name"] = service
    return Resource.create({name: value for name, value in ours.items() if name not in named})


class _Reached:
    """Tells once that the collector takes nothing, and once that it does again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lost = False

    def note(self, *, sent: bool) -> None:
        if sent and self._lost:
            logger.info("%s reach the collector again", self._what)
        elif not sent and not self._lost:
            logger.warning(
                "%s do not reach the collector: it is away, silent or refuses them; some are lost until it is back",
                self._what,
            )
        self._lost = not sent


class _SpanExporter(OTLPSpanExporter):
    def __init__(self) -> None:
        super().__init__()
        self._reached = _Reached("spans")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        self._reached.note(sent=result is SpanExportResult.SUCCESS)
        return result


class _MetricExporter(OTLPMetricExporter):
    def __init__(self, chunk_times: ChunkTimes) -> None:
        super().__init__()
        self._chunk_times = chunk_times
        self._reached = _Reached("metrics")

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **more: Any
    ) -> MetricExportResult:
        result = super().export(self._chunk_times.added_to(metrics_data, SCOPE), timeout_millis, **more)
        self._reached.note(sent=result is MetricExportResult.SUCCESS)
        return result
