"""Gaps counted here are what the SDK would have counted of the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData

from shared.tracing import chunk_times
from shared.tracing.chunk_times import ChunkTimes, Gaps
from shared.tracing.conventions import SCOPE, SECONDS, TIME_PER_OUTPUT_CHUNK

LABELS: dict[str, str | int] = {"gen_ai.request.model": "m", "server.port": 1}
TIMES = st.floats(min_value=0, max_value=200) | st.sampled_from(SECONDS)


def gaps(*seconds: float) -> Gaps:
    counted = Gaps()
    for one in seconds:
        counted.add(one)
    return counted


def by_sdk(*seconds: float) -> MetricsData:
    """What the SDK makes of these, under another name in our scope."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter(SCOPE)
    histogram = meter.create_histogram("theirs", "s", explicit_bucket_boundaries_advisory=SECONDS)
    for one in seconds:
        histogram.record(one, LABELS)
    data = reader.get_metrics_data()
    assert data is not None
    return data


def points(data: MetricsData) -> dict[str, Any]:
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    return {metric.name: metric.data for metric in scope.metrics}


@given(st.lists(st.lists(TIMES, min_size=1, max_size=9), min_size=1, max_size=4))
def test_it_is_the_same_histogram(answers: list[list[float]]) -> None:
    times = ChunkTimes(deltas=False)
    for answer in answers:
        times.add(LABELS, gaps(*answer))
    found = points(times.added_to(by_sdk(*(one for answer in answers for one in answer)), SCOPE))
    [mine], [theirs] = found[TIME_PER_OUTPUT_CHUNK].data_points, found["theirs"].data_points
    assert (mine.bucket_counts, mine.explicit_bounds) == (theirs.bucket_counts, tuple(theirs.explicit_bounds))
    assert (mine.count, mine.min, mine.max) == (theirs.count, theirs.min, theirs.max)
    assert abs(mine.sum - theirs.sum) < 1e-6
    assert dict(mine.attributes) == dict(theirs.attributes)
    assert found[TIME_PER_OUTPUT_CHUNK].aggregation_temporality is found["theirs"].aggregation_temporality


def test_sums_stay_and_differences_are_sent_once() -> None:
    sums, differences = ChunkTimes(deltas=False), ChunkTimes(deltas=True)
    counts = []
    for times in (sums, differences):
        for seconds in (0.5, 0.7):
            times.add(LABELS, gaps(seconds))
            [point] = points(times.added_to(by_sdk(1), SCOPE))[TIME_PER_OUTPUT_CHUNK].data_points
            counts.append(point.count)
    assert counts == [1, 2, 1, 1]
    assert TIME_PER_OUTPUT_CHUNK not in points(differences.added_to(by_sdk(1), SCOPE))
    differences.add(LABELS, gaps(0.1))
    told = points(differences.added_to(by_sdk(1), SCOPE))[TIME_PER_OUTPUT_CHUNK]
    assert told.aggregation_temporality is AggregationTemporality.DELTA


def test_what_has_no_place_beside_it_waits() -> None:
    times = ChunkTimes(deltas=True)
    times.add(LABELS, gaps(0.5))
    assert times.added_to(MetricsData(resource_metrics=[]), SCOPE).resource_metrics == []
    assert TIME_PER_OUTPUT_CHUNK in points(times.added_to(by_sdk(1), SCOPE))


def test_labels_are_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(chunk_times, "MAX_SERIES", 2)
    times = ChunkTimes(deltas=False)
    for n in (1, 2, 3, 1):
        times.add({"n": n}, gaps(0.5))
    found = points(times.added_to(by_sdk(1), SCOPE))[TIME_PER_OUTPUT_CHUNK].data_points
    assert [(point.attributes, point.count) for point in found] == [({"n": 1}, 2), ({"n": 2}, 1)]
