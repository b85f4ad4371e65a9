"""An API's metrics: the queue's depth of its Redis, and labels that are bounded."""

from __future__ import annotations

import time

import pytest
from redis.asyncio import Redis

from api.metrics import MAX_OWNERS, ApiMetrics
from shared.config.settings import Settings
from shared.metrics.tallies import Level
from shared.storage.connections import connect
from shared.storage.keys import QUEUE_KEY


def depth(metrics: ApiMetrics) -> float | None:
    [level] = [t for t in metrics.tallies(lambda: 0) if t.meaning.name == "midstream_queue_depth"]
    assert isinstance(level, Level)
    return level.read()


@pytest.fixture
def metrics() -> ApiMetrics:
    return ApiMetrics(Settings())


async def test_what_is_leased_does_not_wait(metrics: ApiMetrics, redis_url: str) -> None:
    redis: Redis = connect(redis_url, timeout=5)
    now_ms = int((await redis.time())[0]) * 1000
    await redis.zadd(QUEUE_KEY, {"gen_waits": now_ms - 5000, "gen_too": now_ms - 1, "gen_leased": now_ms + 60_000})
    assert depth(metrics) is None, "nobody has looked yet"
    await metrics.look(redis, redis)
    assert depth(metrics) == 2
    assert metrics.ahead_s is not None
    assert abs(metrics.ahead_s + time.monotonic() - time.time()) < 5
    await redis.aclose()


async def test_a_redis_that_is_away_is_asked_again_and_has_no_depth(metrics: ApiMetrics, redis_url: str) -> None:
    redis, away = connect(redis_url, timeout=5), connect("redis://127.0.0.1:9/0", timeout=0.2, retries=0)
    await metrics.look(redis, redis)
    assert depth(metrics) == 0
    await metrics.look(redis, away)
    assert depth(metrics) is None
    for client in (redis, away):
        await client.aclose()


def test_owners_have_labels_where_that_is_set_and_a_bound() -> None:
    without, with_owners = ApiMetrics(Settings()), ApiMetrics(Settings(metrics_owners=True))
    for number in range(MAX_OWNERS + 5):
        without.limited("rate_limited", f"owner-{number}")
        with_owners.limited("rate_limited", f"owner-{number}")
    assert without.limits.values()[("rate_limited",)] == MAX_OWNERS + 5
    assert len(with_owners.limits.values()) == MAX_OWNERS + 1
    assert with_owners.limits.values()[("rate_limited", "other")] == 5


def test_only_who_names_a_last_event_has_resumed(metrics: ApiMetrics) -> None:
    metrics.opened(resumed=False)
    metrics.opened(resumed=True)
    metrics.cut("stalled")
    assert metrics.resumes.values() == {(): 1}
    assert metrics.cuts.values()[("stalled",)] == 1
