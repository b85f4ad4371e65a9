"""A model that fails again and again is skipped where there is another, and probed by one caller at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from shared.config.settings import Settings
from shared.request.generation_request import GenerationRequest
from shared.storage.connections import connect
from worker.running.circuits import PROBE_GIVEN_UP_MS, WINDOW_MS, Circuits, may_be_why

KEY = "midstream:circuit:dead/m"
MODELS = ["dead/m", "other/m"]


@pytest.fixture
async def redis() -> AsyncIterator[Any]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


@pytest.fixture
def circuits(redis: Any) -> Circuits:
    return Circuits(redis, Settings(circuit_failures=3))


async def fail(circuits: Circuits, times: int = 1) -> None:
    for _ in range(times):
        await circuits.report("dead/m", "overloaded")


async def later(redis: Any, ms: int) -> None:
    """As if so much time had passed."""
    for field in ("until", "probe", "since"):
        if await redis.hexists(KEY, field):
            await redis.hincrby(KEY, field, -ms)


async def test_failures_in_a_row_open_it_for_all_workers(circuits: Circuits, redis: Any) -> None:
    await fail(circuits, 2)
    assert await circuits.choose(MODELS, 0) == 0
    await fail(circuits)
    assert await Circuits(redis, Settings()).choose(MODELS, 0) == 1


async def test_what_says_nothing_about_the_model_does_not_count(circuits: Circuits, redis: Any) -> None:
    for code in ("bad_request", "context_length", "content_filter", "not_found", "permission"):
        for _ in range(9):
            await circuits.report("dead/m", code)
    assert not await redis.exists(KEY)


async def test_what_a_caller_may_have_caused_does_not_count(circuits: Circuits, redis: Any) -> None:
    for _ in range(9):
        await circuits.report("dead/m", "provider_timeout", own=True)
    assert not await redis.exists(KEY)


@pytest.mark.parametrize(("failure", "own"), [("provider_timeout", True), ("bad_request", False)])
async def test_a_probe_that_says_nothing_lets_the_next_one_try(
    circuits: Circuits, redis: Any, failure: str, own: bool
) -> None:
    await fail(circuits, 3)
    await later(redis, 15_001)
    assert [await circuits.choose(MODELS, 0) for _ in range(2)] == [0, 1]
    await circuits.report("dead/m", failure, own=own)
    assert [await circuits.choose(MODELS, 0) for _ in range(2)] == [0, 1]


class Endpoint:
    """As much of a provider as counts here."""

    name, idle_timeout = "p", None


@pytest.mark.parametrize(
    ("fields", "code", "expected"),
    [
        ({}, "provider_timeout", False),
        ({"idle_timeout": 0.05}, "provider_timeout", True),
        ({"idle_timeout": 59.0}, "provider_timeout", True),
        ({"idle_timeout": 60.0}, "provider_timeout", False),
        ({"idle_timeout": 0.05}, "overloaded", False),
        ({"extra": {"p": {"a": 1}}}, "overloaded", True),
        ({"extra": {"p": {"a": 1}}}, "connection", False),
        ({"extra": {"q": {"a": 1}}}, "overloaded", False),
    ],
)
def test_what_a_request_added_or_shortened_may_be_why(fields: dict[str, Any], code: str, expected: bool) -> None:
    asked: dict[str, Any] = {"model": "p/m", "messages": [{"role": "user", "content": "x"}], **fields}
    provider: Any = Endpoint()
    assert may_be_why(GenerationRequest.model_validate(asked), code, provider, Settings()) is expected


async def test_an_answer_or_time_in_between_ends_the_row(circuits: Circuits, redis: Any) -> None:
    await fail(circuits, 2)
    await circuits.report("dead/m", None)
    await fail(circuits, 2)
    await later(redis, WINDOW_MS + 1)
    await fail(circuits, 2)
    assert await circuits.choose(MODELS, 0) == 0


async def test_one_probe_at_a_time_closes_it_or_opens_it_for_longer(circuits: Circuits, redis: Any) -> None:
    await fail(circuits, 3)
    assert 14_000 < int(await redis.hget(KEY, "until")) - (await redis.time())[0] * 1000 <= 16_000
    await later(redis, 15_001)
    assert [await circuits.choose(MODELS, 0) for _ in range(3)] == [0, 1, 1]
    await fail(circuits)
    assert 29_000 < int(await redis.hget(KEY, "until")) - (await redis.time())[0] * 1000 <= 31_000
    assert await circuits.choose(MODELS, 0) == 1
    await later(redis, 30_001)
    assert await circuits.choose(MODELS, 0) == 0
    await circuits.report("dead/m", None)
    assert [await circuits.choose(MODELS, 0) for _ in range(3)] == [0, 0, 0]


async def test_a_probe_that_nobody_reports_is_made_again(circuits: Circuits, redis: Any) -> None:
    await fail(circuits, 3)
    await later(redis, 15_001)
    assert [await circuits.choose(MODELS, 0) for _ in range(2)] == [0, 1]
    await later(redis, PROBE_GIVEN_UP_MS + 1)
    assert await circuits.choose(MODELS, 0) == 0


async def test_without_an_alternative_it_is_called(circuits: Circuits) -> None:
    await fail(circuits, 3)
    assert await circuits.choose(["dead/m"], 0) == 0
    assert await circuits.choose(["x/y", "dead/m"], 1) == 1
    assert await circuits.choose(["dead/m", "dead/m"], 0) == 0


async def test_without_redis_all_are_closed() -> None:
    async with aclosing(connect("redis://127.0.0.1:9", timeout=1, retries=0)) as nobody:
        circuits = Circuits(nobody, Settings(circuit_failures=1))
        await fail(circuits)
        assert await circuits.choose(MODELS, 0) == 0


async def test_a_redis_that_does_not_answer_is_not_waited_for(
    circuits: Circuits, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def frozen(*_: object) -> None:
        await asyncio.sleep(3600)

    for script in ("_ask", "_report"):
        monkeypatch.setattr(circuits, script, frozen)
    assert await circuits.choose(MODELS, 0) == 0
    await circuits.report("dead/m", "overloaded")
