"""A node says that it lives, and knows whether Redis would have heard the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from api.intake.heartbeat import BEAT_S, BEATS_PER_LIFE, Heartbeat
from shared.generations.api_nodes import ApiNodes


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def beats(heartbeat: Heartbeat, clock: Seconds, pauses: list[float]) -> None:
    for pause in pauses:
        clock.now += pause
        await heartbeat.beat()


async def test_a_node_knows_the_dead_once_redis_took_its_own_beats_for_long_enough(redis: Redis) -> None:
    clock = Seconds()
    heartbeat = Heartbeat(ApiNodes(redis), clock=clock)
    assert not heartbeat.steady
    await beats(heartbeat, clock, [0, 1, 1])
    assert not heartbeat.steady
    await beats(heartbeat, clock, [1])
    assert heartbeat.steady
    clock.now += 1.4
    assert heartbeat.steady
    clock.now += 0.2
    assert not heartbeat.steady, "a beat has failed"
    await beats(heartbeat, clock, [0, 1, 1])
    assert not heartbeat.steady
    await beats(heartbeat, clock, [1])
    assert heartbeat.steady


async def test_a_redis_that_forgot_a_beat_has_forgotten_others(redis: Redis) -> None:
    clock = Seconds()
    heartbeat = Heartbeat(ApiNodes(redis), clock=clock)
    await beats(heartbeat, clock, [1] * 5)
    assert heartbeat.steady
    await redis.flushall()
    await beats(heartbeat, clock, [1])
    assert not heartbeat.steady
    await beats(heartbeat, clock, [1] * 3)
    assert heartbeat.steady


async def test_each_beat_differs_from_the_one_before_and_counts_for_some_seconds(redis: Redis) -> None:
    nodes = ApiNodes(redis)
    one, two = Heartbeat(nodes), Heartbeat(nodes)
    assert one.node != two.node
    await one.beat()
    before = await nodes.beats([one.node, two.node])
    await one.beat()
    after = await nodes.beats([one.node, two.node])
    assert before[one.node] != after[one.node] is not None
    assert after[two.node] is None
    assert 0 < await redis.pttl(f"midstream:api:{one.node}") <= BEAT_S * BEATS_PER_LIFE * 1000


async def test_it_beats_on_after_an_error(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = ApiNodes(redis)
    heartbeat = Heartbeat(nodes, beat_s=0.01)
    beat, failures = nodes.beat, 3

    async def failing(*args: object) -> bool:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ConnectionError
        return await beat(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(nodes, "beat", failing)
    running = asyncio.create_task(heartbeat.run())
    async with asyncio.timeout(5):
        while (await nodes.beats([heartbeat.node]))[heartbeat.node] is None:
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
