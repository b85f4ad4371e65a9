"""What Prometheus is told: our tallies as its metrics, with those of the process. Only who serves them imports this."""

import time
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from shared.metrics.tallies import Counts, Level, Tally, Times


class TallyCollector(Collector):
    """Folds tallies into metrics at each scrape."""

    def __init__(self, tallies: Iterable[Tally]) -> None:
        self._tallies = list(tallies)

    def collect(self) -> Iterable[Metric]:
        """Yields a family for each tally, and lets the loop's thread have its turn after each."""
        for tally in self._tallies:
            yield _family(tally)
            time.sleep(0)  # gives the interpreter's lock to whoever waits for it


def _family(tally: Tally) -> Metric:
    name, help, labels = tally.meaning.name, tally.meaning.help, tuple(tally.meaning.labels)
    match tally:
        case Counts():
            counter = CounterMetricFamily(name, help, labels=labels)
            for values, count in sorted(tally.values().items()):
                counter.add_metric(values, count)
            return counter
        case Times():
            histogram = HistogramMetricFamily(name, help, labels=labels)
            for values, row in sorted(tally.rows().items()):
                histogram.add_metric(values, _buckets(tally.bounds, row[:-1]), row[-1])
            return histogram
        case Level():
            gauge = GaugeMetricFamily(name, help, labels=labels)
            if (value := tally.read()) is not None:
                gauge.add_metric((), value)
            return gauge


def _buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        total += count
        buckets.append((str(floatToGoString(bound)), total))  # type: ignore[no-untyped-call]
    return buckets


def registry(tallies: Iterable[Tally]) -> CollectorRegistry:
    """Returns a registry of its own with the tallies, and with what Linux says of this process."""
    own = CollectorRegistry()
    own.register(TallyCollector(tallies))
    ProcessCollector(registry=own)
    return own


def exposition(own: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """Returns the media type and the text of all metrics, in the format that the client accepts.

    Who accepts something that cannot be read gets the plain text format: Prometheus' client raises TypeError or
    ValueError for a version that is no number.
    """
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):
        encode, media_type = choose_encoder("")
    return media_type, encode(own)
