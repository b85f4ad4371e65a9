"""What a worker leaves alone after an error, a restart of Redis, and a clock that was set."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import ConnectionError

from shared.backoff import Backoff
from shared.config.settings import Settings
from shared.queue.queue import NO_LEASES, Queue
from shared.storage.clock import ServerClock
from worker.leasing.queue_worker import QueueWorker

LEASE = 3.0


class Clocks:
    """Of this process, and of a Redis."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic = 5_000.0
        self.redis = 1_700_000_000.0
        self.run_id: str | None = "first"
        self.up_ms = 10**9
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)

    def pass_(self, seconds: float) -> None:
        self.monotonic += seconds
        self.redis += seconds

    @property
    def now_ms(self) -> int:
        return int(self.redis * 1000)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
async def worker(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QueueWorker]:
    """One that has just begun, and is past what it doubts at first."""
    redis = FakeAsyncRedis(version=(7, 0))
    settings = Settings(lease=LEASE)
    queue = Queue(redis, settings)

    async def server() -> ServerClock:
        return ServerClock(clocks.now_ms, clocks.up_ms, clocks.run_id)

    monkeypatch.setattr(queue, "server", server)
    generator: Any = None
    worker = QueueWorker("w", queue, queue, generator, settings)
    worker.backoff = Backoff(first=0.0, cap=0.0)
    await worker._hold_off_after_restart()
    yield worker
    await redis.aclose()


def begun(worker: QueueWorker, clocks: Clocks) -> None:
    clocks.pass_(2 * LEASE)
    worker._answered = clocks.monotonic
    assert (worker._since_ms(), worker._leased_since_ms()) == (None, None)


async def fail(worker: QueueWorker, clocks: Clocks, away: float) -> None:
    clocks.pass_(away)
    await worker._recover(ConnectionError("cut"))


async def test_one_that_begins_takes_only_leases_that_have_just_run_out(worker: QueueWorker, clocks: Clocks) -> None:
    """One that ran out long ago may be a living worker's: the clock may have been set a moment before."""
    assert worker._since_ms() is None
    assert worker._leased_since_ms() == clocks.now_ms - LEASE * 1000
    begun(worker, clocks)


async def test_a_short_error_holds_off_from_nothing(worker: QueueWorker, clocks: Clocks) -> None:
    """However often: what waits would wait for ever."""
    begun(worker, clocks)
    for _ in range(9):
        await fail(worker, clocks, 0.3)
        assert (worker._since_ms(), worker._leased_since_ms()) == (None, None)
        worker._answered = clocks.monotonic


async def test_a_long_one_leaves_leases_alone_and_takes_what_waits(worker: QueueWorker, clocks: Clocks) -> None:
    begun(worker, clocks)
    await fail(worker, clocks, 30)
    assert (worker._since_ms(), worker._leased_since_ms()) == (None, NO_LEASES)
    begun(worker, clocks)


@pytest.mark.parametrize("run_id", ["second", None])
async def test_a_restart_leaves_all_that_was_there(worker: QueueWorker, clocks: Clocks, run_id: str | None) -> None:
    """Also where nobody can say whether it was one."""
    begun(worker, clocks)
    clocks.run_id = run_id
    await fail(worker, clocks, 0.3)
    assert worker._since_ms() == clocks.now_ms
    clocks.pass_(2 * LEASE)
    assert worker._since_ms() is None


@pytest.mark.parametrize("seconds", [600, -600, LEASE + 1, -LEASE - 1])
async def test_a_clock_that_was_set_leaves_leases_alone(
    worker: QueueWorker, clocks: Clocks, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    begun(worker, clocks)
    assert not worker._see_clock(clocks.now_ms, clocks.monotonic)
    clocks.redis += seconds
    assert worker._see_clock(clocks.now_ms, clocks.monotonic)
    assert worker._leased_since_ms() == NO_LEASES
    assert f"{seconds:+.0f} s" in caplog.text
    assert not worker._see_clock(clocks.now_ms, clocks.monotonic)
    begun(worker, clocks)


async def test_an_answer_that_took_long_says_little_of_the_clock(worker: QueueWorker, clocks: Clocks) -> None:
    """Redis may have read it at any moment between."""
    begun(worker, clocks)
    worker._see_clock(clocks.now_ms, clocks.monotonic)
    asked, then = clocks.monotonic, clocks.now_ms
    clocks.pass_(60)
    assert not worker._see_clock(then + 30_000, asked)
