"""Tracing by OpenTelemetry: spans, and measurements of provider calls, in the words of conventions.py.

Only here and in the two modules beside it is OpenTelemetry imported. Its global providers and its context are left
alone: each span is told its parent, and nobody else's library in this process adds to what is sent.
"""

import time
from collections.abc import Mapping
from contextlib import suppress

from msgspec import UNSET
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from shared.log.events import Response, Usage
from shared.tracing import conventions as words
from shared.tracing.chunk_times import ChunkTimes, Gaps
from shared.tracing.otel_export import Exporting
from shared.tracing.standard_variables import Wanted
from shared.tracing.trace_context import TraceContext
from shared.tracing.tracing import Attributes, CallSpan, Endpoint, Kind, Span, Tracing

MAX_MODELS = 200
"""Names of models that measurements tell apart, as callers and providers may invent them; all others are OTHER."""
OTHER = "other"
MAX_NAME_CHARS = 200
"""Characters of a name or an id that somebody else has made."""

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
}


def begin(service: str, asked: Wanted, environment: Mapping[str, str]) -> Tracing:
    """Starts what sends, and returns what hears. Raises what the SDK raises for variables that it cannot use."""
    exporting = Exporting(service, asked, environment)
    return OtelTracing(exporting.tracer, _Measures(exporting.meter, exporting.chunk_times), exporting)


class OtelTracing(Tracing):
    """Records spans where there is a tracer, and measures calls in any case; without a meter that costs little."""

    on = True

    def __init__(self, tracer: Tracer | None, measures: "_Measures", exporting: Exporting) -> None:
        self._tracer = tracer
        self._measures = measures
        self._exporting = exporting

    def span(self, name: str, kind: Kind, parent: TraceContext | None, attributes: Attributes) -> Span:
        if self._tracer is None:
            return Span(parent)
        return _Recorded(self._begin(self._tracer, name, kind, parent, attributes))

    def call(self, parent: TraceContext | None, endpoint: Endpoint, model: str) -> CallSpan:
        asked = {
            words.OPERATION: words.CHAT,
            words.PROVIDER: words.provider_name(endpoint.provider, endpoint.address)[:MAX_NAME_CHARS],
            words.REQUEST_MODEL: _model(model),
            **words.server(endpoint.address),
        }
        span = None
        if self._tracer is not None:
            name = f"{words.CHAT} {asked[words.REQUEST_MODEL]}"
            span = self._begin(self._tracer, name, "client", parent, asked | {words.REQUEST_STREAM: True})
        return _Call(span, parent, self._measures, asked)

    @staticmethod
    def _begin(tracer: Tracer, name: str, kind: Kind, parent: TraceContext | None, attributes: Attributes) -> OtelSpan:
        return tracer.start_span(name, context=_context(parent), kind=_KINDS[kind], attributes=attributes)

    async def aclose(self) -> None:
        await self._exporting.aclose()


class _Recorded(Span):
    __slots__ = ("_ended", "_span")

    def __init__(self, span: OtelSpan) -> None:
        super().__init__(_trace(span))
        self._span = span
        self._ended = False

    def say(self, attributes: Attributes, name: str | None = None) -> None:
        self._span.set_attributes(attributes)
        if name is not None:
            self._span.update_name(name)

    def end(self, error: str | None = None) -> None:
        if not self._ended:
            self._ended = True
            _end(self._span, error)


class _Call(CallSpan):
    __slots__ = ("_answer", "_asked", "_began", "_ended", "_first", "_gaps", "_last", "_measures", "_span", "_usage")

    def __init__(
        self,
        span: OtelSpan | None,
        parent: TraceContext | None,
        measures: "_Measures",
        asked: dict[str, str | int],
    ) -> None:
        super().__init__(parent if span is None else _trace(span))
        self._span = span
        self._measures = measures
        self._asked = asked
        self._answer: dict[str, str | int] = {}
        self._usage: Usage | None = None
        self._began = self._last = time.monotonic()
        self._first: float | None = None
        self._gaps = Gaps()
        self._ended = False

    def heard(self) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now - self._began
        else:
            self._gaps.add(now - self._last)
        self._last = now

    def answered(self, response: Response | None, usage: Usage | None, finish_reason: str | None) -> None:
        said: dict[str, str | int | list[str]] = {}
        if response is not None and response.model is not UNSET:
            self._answer[words.RESPONSE_MODEL] = said[words.RESPONSE_MODEL] = _model(response.model)
        if response is not None and response.response_id is not UNSET:
            said[words.RESPONSE_ID] = response.response_id[:MAX_NAME_CHARS]
        if finish_reason is not None:
            said[words.FINISH_REASONS] = [finish_reason]
        self._usage = usage
        if usage is not None:
            said |= {
                words.INPUT_TOKENS: usage.input_tokens,
                words.OUTPUT_TOKENS: usage.output_tokens,
                words.CACHE_READ_TOKENS: usage.cached_tokens,
                words.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
                words.REASONING_TOKENS: usage.reasoning_tokens,
            }
        if self._span is not None:
            self._span.set_attributes(said)

    def end(self, error: str | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        self._measures.call(
            self._asked | self._answer, time.monotonic() - self._began, self._first, self._gaps, self._usage, error
        )
        if self._span is not None:
            if self._first is not None:
                self._span.set_attribute(words.FIRST_CHUNK_S, self._first)
            _end(self._span, error)


class _Measures:
    """The metrics of provider calls."""

    def __init__(self, meter: Meter | None, chunk_times: ChunkTimes) -> None:
        self._chunk_times = chunk_times
        self._models: set[str] = set()
        self._on = meter is not None
        if meter is not None:
            self._duration = _histogram(meter, words.DURATION, "s", "GenAI operation duration.", words.SECONDS)
            description = "Time to receive the first chunk, from when the request is issued."
            self._first_chunk = _histogram(meter, words.TIME_TO_FIRST_CHUNK, "s", description, words.SECONDS)
            description = "Number of input and output tokens used."
            self._tokens = _histogram(meter, words.TOKEN_USAGE, "{token}", description, words.TOKENS)

    def call(
        self,
        labels: dict[str, str | int],
        seconds: float,
        first_s: float | None,
        gaps: Gaps,
        usage: Usage | None,
        error: str | None,
    ) -> None:
        """Counts a call that has ended."""
        if not self._on:
            return
        for name in (words.REQUEST_MODEL, words.RESPONSE_MODEL):
            if name in labels:
                labels[name] = self._bounded(str(labels[name]))
        self._duration.record(seconds, labels if error is None else labels | {words.ERROR_TYPE: error})
        if first_s is not None:
            self._first_chunk.record(first_s, labels)
            self._chunk_times.add(labels, gaps)
        if usage is not None and usage.is_possible:
            for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                self._tokens.record(count, labels | {words.TOKEN_TYPE: kind})

    def _bounded(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= MAX_MODELS:
                return OTHER
            self._models.add(model)
        return model


def _histogram(meter: Meter, name: str, unit: str, description: str, bounds: tuple[float, ...]) -> Histogram:
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)


def _model(name: str) -> str:
    """Returns a model's name without parameters, which the simulator says again."""
    return name.partition("?")[0][:MAX_NAME_CHARS]


def _context(parent: TraceContext | None) -> Context:
    if parent is None:
        return Context()
    with suppress(ValueError):
        state = TraceState.from_header([parent.tracestate]) if parent.tracestate else None
        trace_id, span_id = int(parent.trace_id, 16), int(parent.span_id, 16)
        flags = TraceFlags(parent.flags & TraceFlags.SAMPLED)
        context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags, trace_state=state)
        return set_span_in_context(NonRecordingSpan(context), Context())
    return Context()


def _trace(span: OtelSpan) -> TraceContext | None:
    context = span.get_span_context()
    if not context.is_valid:
        return None
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 0xFF:02x}"
    return TraceContext(parent, context.trace_state.to_header())


def _end(span: OtelSpan, error: str | None) -> None:
    if error is not None:
        span.set_attribute(words.ERROR_TYPE, error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
