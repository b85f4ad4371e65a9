"""What nobody watches is cancelled, and nothing that somebody watches, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import sys

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations import unwatched as module
from shared.generations.generations import Generations
from shared.generations.unwatched import Unwatched
from shared.log.guarded_log import ClaimOutcome, Log
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.storage.clock import ServerClock, read_server
from shared.storage.keys import UNWATCHED_KEY, GenerationKeys

KEY = GenerationKeys("gen_x").viewers


@pytest.fixture
def settings() -> Settings:
    return Settings(lease=0.3)


@pytest.fixture
def durability(settings: Settings) -> Durability:
    """So short that a real server, which is up for a second when a test begins, is not young."""
    return Durability(settings.lease, sync_s=0.05)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE_MS", 0)


@pytest.fixture
def seasoned(generations: Generations, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis has been there for long."""
    server = generations.queue.server

    async def of_the_logs(redis: Redis) -> ServerClock:
        return (await read_server(redis))._replace(up_ms=sys.maxsize)

    async def of_the_queue() -> ServerClock:
        return (await server())._replace(up_ms=sys.maxsize)

    monkeypatch.setattr(module, "read_server", of_the_logs)
    monkeypatch.setattr(generations.queue, "server", of_the_queue)


class Clock:
    """This process' time."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def unwatched(generations: Generations, clock: Clock, seasoned: None) -> Unwatched:
    """In a process that has looked for a while."""
    subject = Unwatched(generations, clock=clock)
    clock.now += 60
    return subject


AFTER_MS = 60_000


async def accept(generations: Generations, unwatched: Unwatched, after_ms: int | None = AFTER_MS) -> None:
    if after_ms is not None:
        await unwatched.put_off({"gen_x": after_ms})
    await generations.accept(
        Acceptance(
            id="gen_x", owner="a", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000,
            unwatched_ms=after_ms,
        )
    )  # fmt: skip


async def state(generations: Generations) -> str:
    record = (await generations.find("gen_x")).record
    assert record is not None
    return record.state


async def due(unwatched: Unwatched) -> None:
    """Its time is over."""
    await unwatched.put_off({"gen_x": -1})


async def look_for(seconds: float, unwatched: Unwatched, clock: Clock) -> None:
    """Looks that are all answered, for so long."""
    for _ in range(round(seconds / 2)):
        clock.now += 2
        await unwatched.look()


async def left_ms(redis: Redis) -> int:
    seconds, microseconds = await redis.time()
    score = await redis.zscore(UNWATCHED_KEY, "gen_x")
    assert score is not None
    return int(score) - int(seconds) * 1000 - int(microseconds) // 1000


async def test_what_nobody_watches_is_cancelled_once_its_time_is_over(
    redis: Redis, generations: Generations, unwatched: Unwatched
) -> None:
    await accept(generations, unwatched)
    assert await unwatched.keep() == []
    assert 0 < await left_ms(redis) <= AFTER_MS
    await due(unwatched)
    assert await unwatched.keep() == ["gen_x"]
    assert await state(generations) == "cancelled"
    # It is looked at again until its end is found.
    assert await redis.zcard(UNWATCHED_KEY) == 1
    await due(unwatched)
    assert await unwatched.keep() == []
    assert not await redis.exists(UNWATCHED_KEY)


async def test_what_runs_is_its_workers_to_end(
    redis: Redis, generations: Generations, unwatched: Unwatched, queue: Queue
) -> None:
    await accept(generations, unwatched)
    await queue.take("w", most=1)
    claim = await Log(redis).claim("gen_x", model="m", provider="p", ttl_ms=60_000)
    assert claim.start is ClaimOutcome.CLAIMED
    for _ in range(2):  # a Redis that came back older would have lost that: it is asked for again
        await due(unwatched)
        assert await unwatched.keep() == ["gen_x"]
        record = (await generations.find("gen_x")).record
        assert record is not None
        assert (record.state, record.cancel_requested) == ("running", True)


async def test_a_viewer_at_any_node_keeps_it(redis: Redis, generations: Generations, unwatched: Unwatched) -> None:
    await accept(generations, unwatched)
    await unwatched.counts.note("other", {KEY: 1})
    await due(unwatched)
    assert await unwatched.keep() == []
    # If that node dies now, what it has said counts for a while, and from then on nobody watches.
    assert AFTER_MS < await left_ms(redis) <= AFTER_MS + module.LIFE_S * 1000
    await unwatched.counts.note("other", {KEY: 0})
    await due(unwatched)
    assert await unwatched.keep() == ["gen_x"]


async def test_the_record_says_what_counts(redis: Redis, generations: Generations, unwatched: Unwatched) -> None:
    """An entry of a generation that did not ask for it, as another request was sent with its key, cancels nothing."""
    await accept(generations, unwatched, None)
    await due(unwatched)
    assert await unwatched.keep() == []
    assert await state(generations) == "queued"
    assert not await redis.exists(UNWATCHED_KEY)


async def test_what_was_never_accepted_is_dropped_and_not_before_it_can_be(redis: Redis, unwatched: Unwatched) -> None:
    await due(unwatched)
    assert await unwatched.keep() == []
    assert await redis.zcard(UNWATCHED_KEY) == 1
    await unwatched.put_off({"gen_x": -module.HALF_ACCEPTED_MS - 1000})
    assert await unwatched.keep() == []
    assert not await redis.exists(UNWATCHED_KEY)


async def test_settling_takes_it_out(
    redis: Redis, generations: Generations, unwatched: Unwatched, queue: Queue
) -> None:
    await accept(generations, unwatched)
    await queue.indexes.settle(["gen_x"])
    assert not await redis.exists(UNWATCHED_KEY)


async def test_after_an_outage_its_whole_time_begins_anew(
    redis: Redis, generations: Generations, unwatched: Unwatched, clock: Clock
) -> None:
    await unwatched.look()
    clock.now += 10  # in which no look was answered
    await unwatched.look()
    await accept(generations, unwatched)
    await due(unwatched)
    await look_for(10, unwatched, clock)
    assert await unwatched.keep() == []
    assert AFTER_MS - 30_000 < await left_ms(redis) <= AFTER_MS - 10_000
    await due(unwatched)
    await look_for(AFTER_MS / 1000 - 10, unwatched, clock)
    assert await unwatched.keep() == ["gen_x"]


async def test_a_process_that_has_just_come_waits_until_all_had_time_to_count(
    redis: Redis, generations: Generations, clock: Clock, seasoned: None
) -> None:
    unwatched = Unwatched(generations, clock=clock)
    await accept(generations, unwatched, 10)
    await due(unwatched)
    await look_for(module.LIFE_S - 3, unwatched, clock)
    assert await unwatched.keep() == []
    assert await left_ms(redis) <= 3000
    await due(unwatched)
    await look_for(4, unwatched, clock)
    assert await unwatched.keep() == ["gen_x"]


async def test_a_look_that_took_long_decides_nothing(
    generations: Generations, unwatched: Unwatched, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis stood still meanwhile: the counts ran out, and nobody could renew them."""
    await accept(generations, unwatched)
    await due(unwatched)
    look = unwatched.counts.look

    async def slow(keys: list[str]) -> object:
        clock.now += 3
        return await look(keys)

    monkeypatch.setattr(unwatched.counts, "look", slow)
    assert await unwatched.keep() == []
    assert await state(generations) == "queued"


async def test_a_redis_that_has_just_come_back_has_its_time(
    redis: Redis, generations: Generations, clock: Clock
) -> None:
    unwatched = Unwatched(generations, clock=clock)
    clock.now += 3600
    await accept(generations, unwatched, 3_600_000)
    await due(unwatched)
    # The one without INFO never looks as if it had just restarted.
    restarts = not isinstance(generations.redis, FakeAsyncRedis)
    assert await unwatched.keep() == ([] if restarts else ["gen_x"])
    assert await state(generations) == ("queued" if restarts else "cancelled")


async def test_more_than_a_look_takes_is_reached_by_the_next(
    generations: Generations, unwatched: Unwatched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DUE_PAGE", 2)
    monkeypatch.setattr(module, "MAX_DUE_PAGES", 2)
    names = {f"gen_{number}" for number in range(11)}
    for name in sorted(names):
        await unwatched.put_off({name: 0, f"{name}_never": -1})
        await generations.accept(
            Acceptance(
                id=name, owner="a", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000, unwatched_ms=1
            )
        )
    await unwatched.forget([f"{name}_never" for name in names][:9])
    cancelled: set[str] = set()
    async with asyncio.timeout(10):
        while cancelled != names:
            cancelled |= set(await unwatched.keep())
            await asyncio.sleep(0.02)


async def test_what_redis_lost_and_is_accepted_again_is_due_again(
    redis: Redis, generations: Generations, unwatched: Unwatched
) -> None:
    await accept(generations, unwatched)
    found = await generations.find("gen_x", request=True)
    assert found.record is not None
    assert found.record.unwatched_ms == AFTER_MS
    await redis.flushall()
    assert await generations.accept_again([found.record.accepted(found.request, found.asked)])
    assert 0 < await left_ms(redis) <= AFTER_MS
