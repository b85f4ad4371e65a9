"""The histogram that both have is there before the first command."""

from __future__ import annotations

from shared.metrics.redis_times import LOGS, redis_times


def test_it_has_the_logs_redis_from_the_start() -> None:
    times = redis_times()
    assert list(times.rows()) == [(LOGS,)]
    assert list(times.bounds) == sorted(times.bounds)
