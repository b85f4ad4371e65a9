"""How the queue stands, read on each kind of server: with the lines of owners, and as older processes leave it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.config.owner_settings import OwnerSettings
from shared.config.settings import Settings
from shared.queue import standing
from shared.queue.standing import MAX_LINES, most_running, read_status
from shared.queue.status import Status
from shared.queue.workers import Workers
from shared.storage.clock import read_clock
from shared.storage.keys import (
    ANSWERS_KEY,
    FAILURES_KEY,
    LEASED_KEY,
    LEASES_KEY,
    LINES_KEY,
    PENDING_KEY,
    PLACES_KEY,
    QUEUE_KEY,
    circuit_key,
    line_key,
    running_key,
)


@pytest.fixture
def settings() -> Settings:
    return Settings(lease=5, max_pending=50)


async def status_of(redis: Any, settings: Settings) -> Status:
    if type(redis).__module__.startswith("fakeredis"):
        redis.info = no_info
    return await read_status(settings, redis, redis)


async def no_info(*_: object) -> dict[str, object]:
    """fakeredis knows INFO of no section."""
    return {"redis_version": "7.0.0"}


def failed(ms: int, code: str, model: str) -> str:
    """As a worker writes it."""
    return json.dumps({"time": ms, "code": code, "model": model})


async def now_of(redis: Redis) -> int:
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


async def test_nothing_is_there(redis: Redis, settings: Settings) -> None:
    found = await status_of(redis, settings)
    assert (found.queue.waiting, found.queue.running, found.queue.pending, found.queue.max_pending) == (0, 0, 0, 50)
    assert found.queue.oldest_wait_ms is None
    assert (found.leases.run_out, found.leases.longest_run_out_ms, found.leases.lease_ms) == (0, None, 5000)
    assert (found.workers.alive, found.workers.places, found.workers.each) == (0, 0, [])
    assert (found.lines.owners, found.lines.longest, found.providers) == (0, [], [])
    assert (found.counts.started, found.counts.ended) == (0, 0)
    assert [facts.serves for facts in found.redis] == [["logs", "queue"]]


async def test_what_waits_runs_and_has_run_out_without_lines(redis: Redis, settings: Settings) -> None:
    now = await now_of(redis)
    await redis.zadd(QUEUE_KEY, {"a": now - 4000, "b": now - 9000, "c": now - 60_000, "d": now + 4000, "e": now + 4500})
    await redis.hset(LEASES_KEY, mapping={"c": "w", "d": "w", "e": "w"})  # type: ignore[misc]
    await redis.zadd(PENDING_KEY, dict.fromkeys("abcdef", now))
    found = await status_of(redis, settings)
    assert (found.queue.waiting, found.queue.running, found.queue.pending) == (3, 2, 6)
    assert found.queue.oldest_wait_ms is not None
    assert 9000 <= found.queue.oldest_wait_ms < 30_000, "a lease that ran out is no wait"
    assert found.leases.run_out == 1
    assert found.leases.longest_run_out_ms is not None
    assert 60_000 <= found.leases.longest_run_out_ms < 90_000


async def test_leases_that_ran_out_behind_all_that_is_looked_at(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "MAX_LOOKED", 2)
    now = await now_of(redis)
    await redis.zadd(
        QUEUE_KEY, {f"w{number}": now - 90_000 for number in range(4)} | {"r": now - 20_000, "l": now + 9000}
    )
    await redis.hset(LEASES_KEY, mapping={"r": "w", "l": "w"})  # type: ignore[misc]
    assert (await status_of(redis, settings)).leases.run_out == 0
    await redis.zadd(LEASED_KEY, {"r": now - 20_000, "l": now + 9000})
    found = await status_of(redis, settings)
    assert (found.leases.run_out, found.queue.waiting) == (1, 5)
    assert found.leases.longest_run_out_ms is not None
    assert found.leases.longest_run_out_ms >= 20_000


async def test_workers_their_places_and_their_silence(redis: Redis, settings: Settings) -> None:
    await Workers(redis).beat("one", 5)
    await Workers(redis).beat("two", 5)
    found = await status_of(redis, settings)
    assert found.workers.alive == 2
    assert found.workers.places is None, "an older worker does not tell"
    assert all(worker.silent_ms < 4000 for worker in found.workers.each)
    await redis.hset(PLACES_KEY, mapping={"one": 3, "two": 4, "lost": 50})  # type: ignore[misc]
    found = await status_of(redis, settings)
    assert found.workers.places == 7
    assert {(worker.name, worker.places) for worker in found.workers.each} == {("one", 3), ("two", 4)}
    before = {worker.name: worker.silent_ms for worker in found.workers.each}
    await asyncio.sleep(0.1)
    await Workers(redis).beat("two", 5)
    after = {worker.name: worker.silent_ms for worker in (await status_of(redis, settings)).workers.each}
    assert after["one"] >= before["one"] + 100
    assert after["two"] < after["one"]


async def test_the_longest_lines_first_and_no_more_of_them(redis: Redis, settings: Settings) -> None:
    now = await now_of(redis)
    for number in range(MAX_LINES + 5):
        owner = f"o{number}"
        await redis.zadd(LINES_KEY, {owner: number})
        await redis.zadd(line_key(owner), {f"{owner}-{entry}": now - 1000 * number for entry in range(number + 1)})
    await redis.sadd(running_key("o24"), "x", "y")  # type: ignore[misc]
    found = (await status_of(redis, settings)).lines
    assert found.owners == MAX_LINES + 5
    assert [line.owner for line in found.longest] == [f"o{number}" for number in range(MAX_LINES + 4, 4, -1)]
    first = found.longest[0]
    assert (first.waiting, first.running, first.most_running) == (25, 2, None)
    assert first.oldest_wait_ms is not None
    assert 24_000 <= first.oldest_wait_ms < 60_000


async def test_an_owners_name_is_text_whatever_it_is(redis: Redis, settings: Settings) -> None:
    for owner in (b"\xff\x1b[2J", b"ann\nbob"):
        await redis.zadd(LINES_KEY, {owner: 1})
        await redis.zadd(line_key("").encode() + owner, {"a": 1})
    found = await status_of(redis, settings)
    assert {line.owner for line in found.lines.longest} == {"\ufffd\x1b[2J", "ann\nbob"}


async def test_how_each_provider_did_last(redis: Redis, settings: Settings) -> None:
    now = await now_of(redis)
    week = 7 * 86_400_000
    await redis.hset(  # type: ignore[misc]
        FAILURES_KEY,
        mapping={
            "bad": failed(now - 3000, "overloaded", "bad/m"),
            "once": failed(now - 5000, "rate_limit", "once/m"),
            "old": failed(now - week - 60_000, "rate_limit", "old/m"),
            "forged": '{"time":"x"}',
        },
    )
    await redis.hset(ANSWERS_KEY, mapping={"good": now - 10, "once": now - 1000, "old": now - week - 1})  # type: ignore[misc]
    await redis.hset(circuit_key("bad/m"), "until", str(now + 60_000))  # type: ignore[misc]
    found = {one.provider: one for one in (await status_of(redis, settings)).providers}
    assert found.keys() == {"bad", "good", "once"}
    bad, once = found["bad"], found["once"]
    assert bad.failed is not None
    assert (bad.failed.code, bad.failed.model, bad.answered_ms_ago) == ("overloaded", "bad/m", None)
    assert 3000 <= bad.failed.ms_ago < 30_000
    assert bad.circuit_open_ms is not None
    assert 30_000 < bad.circuit_open_ms <= 60_000
    assert once.failed is not None
    assert once.answered_ms_ago is not None
    assert once.answered_ms_ago < once.failed.ms_ago
    assert once.circuit_open_ms is None
    assert found["good"].failed is None


async def test_the_queue_may_have_a_redis_of_its_own(redis: Redis, settings: Settings) -> None:
    await read_clock(redis)
    if type(redis).__module__.startswith("fakeredis"):
        redis.info = no_info  # type: ignore[method-assign, assignment]

    class Logs:
        """A Redis that has nothing but facts."""

        async def info(self) -> dict[str, object]:
            return {"redis_version": "7.4.0"}

        async def config_get(self, _: str) -> dict[str, str]:
            return {"appendfsync": "no"}

    logs: Any = Logs()
    await redis.zadd(QUEUE_KEY, {"a": 1})
    found = await read_status(settings, logs, redis)
    assert found.queue.waiting == 1
    assert [facts.serves for facts in found.redis] == [["logs"], ["queue"]]
    assert found.redis[0].append_fsync == "no"


def test_what_an_owner_may_run() -> None:
    assert most_running(Settings(), "ann", 10) is None, "one owner alone is bounded by nothing"
    many = Settings(owners={"ann": OwnerSettings(), "bob": OwnerSettings()}, max_share=0.8)
    assert [most_running(many, "ann", places) for places in (10, 4, 1, 0, None)] == [8, 3, 1, 1, None]
    limited = Settings(max_running=5, owners={"bob": OwnerSettings(max_running=2)})
    assert (most_running(limited, "ann", 10), most_running(limited, "bob", 10)) == (5, 2)
