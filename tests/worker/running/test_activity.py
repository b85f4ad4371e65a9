"""What a worker notes of its runs and providers, for whoever is on call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from shared.storage.connections import connect
from worker.running import activity
from worker.running.activity import Activity
from worker.running.circuits import CODES_OF_THE_REQUEST


@pytest.fixture
async def redis() -> AsyncIterator[Any]:
    client = FakeAsyncRedis(version=(7, 0))
    yield client
    await client.aclose()


async def failures(redis: Any) -> dict[str, Any]:
    return {name.decode(): json.loads(told) for name, told in (await redis.hgetall("midstream:failures")).items()}


async def test_the_last_failure_and_the_last_answer_of_each_provider(redis: Any) -> None:
    noted = Activity(redis)
    noted.called("a", "a/m", "overloaded")
    await asyncio.sleep(0.05)
    noted.called("a", "a/n", "rate_limit")
    noted.called("b", "b/m", None)
    await noted.write()
    seconds, _ = await redis.time()
    found = await failures(redis)
    assert {name: (one["code"], one["model"]) for name, one in found.items()} == {"a": ("rate_limit", "a/n")}
    assert abs(found["a"]["time"] - seconds * 1000) < 5000
    answers = await redis.hgetall("midstream:answers")
    assert answers.keys() == {b"b"}
    assert abs(int(answers[b"b"]) - seconds * 1000) < 5000
    assert await redis.pttl("midstream:failures") > 0


async def test_which_came_last_is_kept_where_both_are_written_together(redis: Any) -> None:
    noted = Activity(redis)
    noted.called("a", "a/m", "overloaded")
    await asyncio.sleep(0.05)
    noted.called("a", "a/m", None)
    await noted.write()
    assert (await failures(redis))["a"]["time"] < int(await redis.hget("midstream:answers", "a"))


async def test_what_says_nothing_about_the_provider_is_left_out(redis: Any) -> None:
    noted = Activity(redis)
    for code in CODES_OF_THE_REQUEST:
        noted.called("a", "a/m", code)
    noted.called("a", "a/m", "provider_timeout", own=True)
    await noted.write()
    assert await redis.keys("*") == []


async def test_runs_are_counted_over_all_writes(redis: Any) -> None:
    noted = Activity(redis)
    for what in ("started", "started", "ended"):
        noted.count(what)
    await noted.write()
    await noted.write()
    noted.count("ended")
    await noted.write()
    assert await redis.hgetall("midstream:activity") == {b"started": b"2", b"ended": b"2"}


async def test_a_model_is_shown_short_and_without_what_forges_a_line(redis: Any) -> None:
    noted = Activity(redis)
    noted.called("a", "a/" + "x" * 500 + "?secret=1", "overloaded")
    noted.called("b", 'b/m"\nforged', "overloaded")
    await noted.write()
    found = await failures(redis)
    assert len(found["a"]["model"]) <= 120
    assert "secret" not in found["a"]["model"]
    assert found["b"]["model"] == 'b/m"…'


async def test_it_writes_by_itself_and_seldom(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    write = Activity.write

    async def counted(self: Activity) -> None:
        nonlocal written
        written += 1
        await write(self)

    monkeypatch.setattr(Activity, "write", counted)
    monkeypatch.setattr(activity, "PAUSE_S", 0.2)
    noted = Activity(redis)
    running = asyncio.create_task(noted.run())
    for _ in range(50):
        noted.count("started")
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while await redis.hget("midstream:activity", "started") != b"50":
            await asyncio.sleep(0.01)
    assert written <= 3
    running.cancel()


async def test_a_redis_that_is_away_costs_nothing_but_the_note(tmp_path: Any) -> None:
    nobody = connect(f"unix://{tmp_path}/none.sock", timeout=1, retries=0)
    noted = Activity(nobody)
    noted.count("started")
    await noted.write()
    await nobody.aclose()
