"""Wake-ups: whatever becomes of the pop, the queue is looked at, and a pop that fails is not tried at once again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, NoPermissionError, TimeoutError

from shared.config.settings import Settings
from shared.log.events import Completed
from shared.queue.queue import Queue
from shared.storage.clock import ServerClock
from shared.storage.keys import QUEUE_KEY
from tests.worker.conftest import Midstream, working
from worker.leasing.wake_ups import LOOK_INTERVAL_S, WakeUps


class Pops:
    """In the queue's place: each pop is what `next` does."""

    def __init__(self) -> None:
        self.count = 0
        self.next: Callable[[], Awaitable[bool]] = self.nothing

    async def wait(self, _: float) -> bool:
        self.count += 1
        return await self.next()

    async def nothing(self) -> bool:
        return False

    def failing(self, error: Exception) -> None:
        async def fail() -> bool:
            raise error

        self.next = fail


@pytest.fixture
def pops() -> Pops:
    return Pops()


@pytest.fixture
def look_interval_s() -> float:
    return LOOK_INTERVAL_S


@pytest.fixture
def subject(pops: Pops, look_interval_s: float) -> WakeUps:
    queue: Any = pops
    return WakeUps(queue, late_s=0.2, look_interval_s=look_interval_s)


async def test_a_wake_up_comes_at_once(pops: Pops, subject: WakeUps) -> None:
    began = time.monotonic()
    assert await subject.wait(30)
    assert time.monotonic() - began < 10
    assert not subject.is_down


@pytest.mark.parametrize("look_interval_s", [0.001])
@pytest.mark.parametrize(
    ("error", "unbroken"),
    [(NoPermissionError("no"), True), (ConnectionError("cut"), False), (TimeoutError("silent"), False)],
)
async def test_a_pop_that_fails_is_a_look_at_the_queue_and_later_another_pop(
    pops: Pops, subject: WakeUps, error: Exception, unbroken: bool
) -> None:
    subject._backoff._first = subject._backoff._next = 60.0
    pops.failing(error)
    assert await subject.wait(30) is unbroken
    assert subject.is_down
    for _ in range(5):
        assert await subject.wait(30)
    assert pops.count == 1
    subject._again = 0.0
    pops.next = pops.nothing
    assert await subject.wait(30)
    assert pops.count == 2
    assert not subject.is_down


async def test_a_pop_without_a_reply_is_left_alone_and_the_queue_looked_at(pops: Pops, subject: WakeUps) -> None:
    reply = asyncio.Event()

    async def late() -> bool:
        return await reply.wait()

    pops.next = late
    assert await subject.wait(0.01)
    assert subject.is_down
    began = time.monotonic()
    assert await subject.wait(30)
    assert LOOK_INTERVAL_S / 2 < time.monotonic() - began < 10
    assert pops.count == 1
    reply.set()
    assert await subject.wait(30)
    assert not subject.is_down
    reply.clear()
    assert await subject.wait(0.01)
    await subject.close()
    await subject.close()


async def test_what_is_no_error_of_redis_is_a_defect(pops: Pops, subject: WakeUps) -> None:
    pops.failing(ValueError("a defect"))
    with pytest.raises(ValueError, match="a defect"):
        await subject.wait(30)


async def test_a_worker_without_wake_ups_takes_what_waits(
    settings: Settings, midstream: Midstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> bool:
        raise ConnectionError("cut")

    monkeypatch.setattr(Queue, "wait", refused)
    async with working(settings):
        for _ in range(4):
            began = time.monotonic()
            events = await midstream.ended(await midstream.ask("simulator/lorem?deltas=2&rate=0"))
            assert isinstance(events[-1], Completed)
            assert time.monotonic() - began < 10


async def test_a_restart_that_only_the_wake_up_noticed_is_held_off_after(
    settings: Settings, midstream: Midstream, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of what runs elsewhere may be lost: its worker takes it back before anyone takes it from there."""
    seen: list[bool] = []
    run_id = "before"

    async def broken(*_: object) -> bool:
        raise ConnectionError("closed by the server")

    async def server(queue: Queue) -> ServerClock:
        seconds, microseconds = await queue.redis.time()
        if run_id == "after":
            seen.append(True)
        return ServerClock(seconds * 1000 + microseconds // 1000, 10**12, run_id)

    monkeypatch.setattr(Queue, "server", server)
    async with working(settings.model_copy(update={"lease": 600.0})):
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=2&rate=0"))
        # Of some worker, whose lease Redis has forgotten.
        run_id = "after"
        monkeypatch.setattr(Queue, "wait", broken)
        async with asyncio.timeout(20):
            while not seen:
                await asyncio.sleep(0.01)
        await redis.zadd(QUEUE_KEY, {"forgotten": 1})
        after = await midstream.ended(await midstream.ask("simulator/lorem?deltas=2&rate=0"))
        assert isinstance(after[-1], Completed)
        assert await redis.zscore(QUEUE_KEY, "forgotten") == 1
