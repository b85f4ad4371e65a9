"""Our tallies as Prometheus reads them: parsed by its own parser."""

from __future__ import annotations

import threading

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from shared.metrics.exposition import exposition, registry
from shared.metrics.tallies import Counts, Level, Times

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


@pytest.mark.parametrize(("accept", "parse"), [("text/plain", parse_text), (OPENMETRICS, parse_openmetrics)])
def test_each_kind_is_what_it_is_in_both_formats(accept: str, parse: object) -> None:
    counts = Counts("midstream_x_total", "Help.", ("name",))
    counts.add('a "quote"\nand a \\', amount=3)
    times = Times("midstream_y_seconds", "Help.", (0.1, 1))
    for seconds in (0.05, 0.5, 5):
        times.take(seconds)
    own = registry(
        [counts, times, Level("midstream_z", "Help.", lambda: 7), Level("midstream_no", "Help.", lambda: None)]
    )
    media_type, text = exposition(own, accept)
    assert media_type.startswith(accept.partition(";")[0])
    families = {family.name: family for family in parse(text.decode())}  # type: ignore[operator]
    assert families["midstream_x"].type == "counter"
    [sample] = families["midstream_x"].samples
    assert (sample.name, sample.labels, sample.value) == ("midstream_x_total", {"name": 'a "quote"\nand a \\'}, 3)
    assert families["midstream_y_seconds"].type == "histogram"
    buckets = [(s.labels["le"], s.value) for s in families["midstream_y_seconds"].samples if s.name.endswith("_bucket")]
    assert buckets == [("0.1", 1), ("1.0", 2), ("+Inf", 3)]
    assert [s.value for s in families["midstream_z"].samples] == [7]
    assert not families["midstream_no"].samples, "what is not known is not said"


@pytest.mark.parametrize("accept", ["text/plain;version=abc", "application/openmetrics-text;version=1.x", ";;,=\xff"])
def test_who_accepts_what_cannot_be_read_gets_the_plain_format(accept: str) -> None:
    media_type, text = exposition(registry([Counts("midstream_x_total", "Help.")]), accept)
    assert media_type.startswith("text/plain; version=0.0.4")
    assert b"midstream_x_total 0.0" in text


def test_it_can_be_read_while_another_thread_counts() -> None:
    counts, times = Counts("midstream_x_total", "Help.", ("n",)), Times("midstream_y_seconds", "Help.", (1,), ("n",))
    own, ended = registry([counts, times]), threading.Event()

    def count() -> None:
        number = 0
        while not ended.is_set() and number < 200_000:
            number += 1
            counts.add(str(number % 3000))
            times.take(0.5, str(number % 3000))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(10):
            exposition(own, "")
    finally:
        ended.set()
        thread.join()
    assert sum(counts.values().values()) == sum(row[0] for row in times.rows().values())
