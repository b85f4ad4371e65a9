"""The times between the pieces of answers, counted in buckets here: a histogram of the SDK costs 10 µs a piece."""

import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ScopeMetrics,
)

from shared.tracing.conventions import SECONDS, TIME_PER_OUTPUT_CHUNK

Labels = tuple[tuple[str, str | int], ...]

MAX_SERIES = 2_000
"""Sets of labels that are counted apart; further ones are left out."""


class Gaps:
    """The times between the pieces of one answer, or of all answers with the same labels."""

    __slots__ = ("buckets", "longest", "shortest", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.total = 0.0
        self.shortest = float("inf")
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Counts one."""
        # A bucket includes its upper bound (OpenTelemetry's data model, "Histogram").
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds
        if seconds < self.shortest:
            self.shortest = seconds
        if seconds > self.longest:
            self.longest = seconds

    def join(self, other: "Gaps") -> None:
        """Adds all those of another."""
        self.buckets = [mine + more for mine, more in zip(self.buckets, other.buckets, strict=True)]
        self.total += other.total
        self.shortest, self.longest = min(self.shortest, other.shortest), max(self.longest, other.longest)


class ChunkTimes:
    """The gaps of all answers that have ended, by their labels. `deltas`: what was sent is not sent again."""

    def __init__(self, *, deltas: bool) -> None:
        self._deltas = deltas
        self._began_ns = time.time_ns()
        self._series: dict[Labels, Gaps] = {}
        self._lock = threading.Lock()  # answers end in the loop, and are sent from a thread

    def add(self, labels: Mapping[str, str | int], gaps: Gaps) -> None:
        """Counts those of an answer that has ended; one that came in one piece has none."""
        if not any(gaps.buckets):
            return
        key = tuple(labels.items())
        with self._lock:
            if key in self._series or len(self._series) < MAX_SERIES:
                self._series.setdefault(key, Gaps()).join(gaps)

    def added_to(self, data: MetricsData, scope: str) -> MetricsData:
        """Returns what is sent, with this metric beside the others of the same scope, without which it waits."""
        scopes = [one.scope.name for resource in data.resource_metrics for one in resource.scope_metrics]
        if scope not in scopes or (metric := self._metric()) is None:
            return data
        resources = [
            replace(resource, scope_metrics=[_with(one, metric, scope) for one in resource.scope_metrics])
            for resource in data.resource_metrics
        ]
        return replace(data, resource_metrics=resources)

    def _metric(self) -> Metric | None:
        now_ns = time.time_ns()
        with self._lock:
            points = [_point(key, gaps, self._began_ns, now_ns) for key, gaps in self._series.items()]
            if self._deltas:
                self._series, self._began_ns = {}, now_ns
        if not points:
            return None
        temporality = AggregationTemporality.DELTA if self._deltas else AggregationTemporality.CUMULATIVE
        description = "Time per output chunk, recorded for each chunk received after the first one."
        return Metric(TIME_PER_OUTPUT_CHUNK, description, "s", Histogram(points, temporality))


def _with(scope: ScopeMetrics, metric: Metric, name: str) -> ScopeMetrics:
    if scope.scope.name != name:
        return scope
    metrics: Sequence[Metric] = [*scope.metrics, metric]
    return replace(scope, metrics=metrics)


def _point(labels: Labels, gaps: Gaps, since_ns: int, now_ns: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=sum(gaps.buckets),
        sum=gaps.total,
        bucket_counts=tuple(gaps.buckets),
        explicit_bounds=SECONDS,
        min=gaps.shortest,
        max=gaps.longest,
    )
