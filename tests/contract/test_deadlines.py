"""Deadlines of what waits, and which workers are alive."""

from __future__ import annotations

import asyncio

import pytest
from fakeredis import FakeAsyncRedis
from msgspec import UNSET
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations import deadlines as module
from shared.generations.deadlines import Deadlines
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Cost, Failed, Spent, Usage, decode, encode
from shared.log.guarded_log import Batch, ClaimOutcome, Log, WriteOutcome
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.storage.keys import DEADLINES_KEY, QUEUE_KEY


@pytest.fixture
def settings() -> Settings:
    return Settings(lease=0.3, deadline=1.0)


@pytest.fixture
def sync_s() -> float:
    """So short that a real server, which is up for a second when a test begins, is not young."""
    return 0.05


@pytest.fixture
def durability(settings: Settings, sync_s: float) -> Durability:
    return Durability(settings.lease, sync_s=sync_s)


async def accept(generations: Generations, generation_id: str) -> None:
    await generations.accept(
        Acceptance(
            id=generation_id, owner="a", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000
        )
    )  # fmt: skip


async def until_ended(deadlines: Deadlines) -> list[str]:
    async with asyncio.timeout(10):
        while not (ended := await deadlines.keep()):
            await asyncio.sleep(0.02)
    return ended


async def test_what_waits_ends_at_its_deadline(redis: Redis, generations: Generations) -> None:
    deadlines = Deadlines(generations)
    assert await deadlines.note("gen_short", 0.1)
    assert not await deadlines.note("gen_short", 9)
    await deadlines.note("gen_long", 60)
    for name in ("short", "long", "default"):
        await accept(generations, f"gen_{name}")
    assert await until_ended(deadlines) == ["gen_short"]
    assert await until_ended(deadlines) == ["gen_default"]
    assert await deadlines.keep() == []
    assert await redis.zrange(QUEUE_KEY, 0, -1) == [b"gen_long"], "no worker is needed for the others"
    record = (await generations.find("gen_short")).record
    assert record is not None
    assert (record.state, record.seal is not None) == ("failed", True)
    (entry,) = await Log(redis).read("gen_short")
    assert entry.id == record.seal
    assert entry.type == "failed"
    assert b'"deadline_exceeded"' in entry.data
    assert await redis.zrange(DEADLINES_KEY, 0, -1) == [b"gen_long"]
    claim = await Log(redis).claim("gen_short", model="m", provider="p", ttl_ms=60_000)
    assert claim.start is ClaimOutcome.SEALED


async def test_what_runs_is_its_workers(redis: Redis, generations: Generations, queue: Queue) -> None:
    deadlines = Deadlines(generations)
    await deadlines.note("gen_x", 0.05)
    await accept(generations, "gen_x")
    assert (await queue.take("w", most=1)).jobs
    claim = await Log(redis).claim("gen_x", model="m", provider="p", ttl_ms=60_000)
    deadline = asyncio.get_running_loop().time() + 0.2
    while asyncio.get_running_loop().time() < deadline:
        await queue.renew("w", ["gen_x"])
        assert await deadlines.keep() == []
        await asyncio.sleep(0.02)
    # Its worker is lost: nobody renews, and nobody takes it.
    assert await until_ended(deadlines) == ["gen_x"]
    late = Batch("gen_x", claim.token, 1, claim.last, 1, [("delta", b"{}")])
    assert (await Log(redis).append(late)).outcome is WriteOutcome.SEALED


async def test_who_claims_it_meanwhile_has_it(
    redis: Redis, generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines = Deadlines(generations)
    await deadlines.note("gen_x", 0.01)
    await accept(generations, "gen_x")
    leased = deadlines._leased

    async def claimed_then_leased(ids: list[str], now_ms: int) -> set[str]:
        if ids:
            await Log(redis).claim("gen_x", model="m", provider="p", ttl_ms=60_000)
        return await leased(ids, now_ms)

    await asyncio.sleep(0.05)
    monkeypatch.setattr(deadlines, "_leased", claimed_then_leased)
    assert await deadlines.keep() == []
    record = (await generations.find("gen_x")).record
    assert record is not None
    assert record.state == "running"


async def test_one_that_was_to_be_cancelled_ends_so(redis: Redis, generations: Generations, queue: Queue) -> None:
    deadlines = Deadlines(generations)
    await deadlines.note("gen_x", 0.1)
    await accept(generations, "gen_x")
    await queue.take("w", most=1)
    await Log(redis).claim("gen_x", model="m", provider="p", ttl_ms=60_000)
    assert await generations.cancel("gen_x") == "running"
    assert await until_ended(deadlines) == ["gen_x"]
    record = (await generations.find("gen_x")).record
    assert record is not None
    assert record.state == "cancelled"


async def test_more_than_a_look_takes_is_reached_by_the_next(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DUE_PAGE", 2)
    monkeypatch.setattr(module, "MAX_DUE_PAGES", 2)
    deadlines = Deadlines(generations)
    names = {f"gen_{number}" for number in range(11)}
    for number, name in enumerate(sorted(names)):
        if number % 2:
            await deadlines.note(name, 0.01)
        await accept(generations, name)
    ended: set[str] = set()
    async with asyncio.timeout(10):
        while ended != names:
            ended |= set(await deadlines.keep())
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("sync_s", [1e9])
async def test_after_a_restart_nothing_is_ended(generations: Generations) -> None:
    deadlines = Deadlines(generations)
    await deadlines.note("gen_x", 0.001)
    await accept(generations, "gen_x")
    await asyncio.sleep(0.02)
    # The one without INFO never looks as if it had just restarted.
    restarts = not isinstance(generations.redis, FakeAsyncRedis)
    assert await deadlines.keep() == ([] if restarts else ["gen_x"])


async def test_settling_forgets_the_deadline(redis: Redis, generations: Generations, queue: Queue) -> None:
    await Deadlines(generations).note("gen_x", 60)
    await accept(generations, "gen_x")
    await queue.indexes.settle(["gen_x"])
    assert await redis.zcard(DEADLINES_KEY) == 0


@pytest.mark.parametrize("lost", [False, True])
async def test_what_attempts_used_before_it_is_in_its_end(redis: Redis, generations: Generations, lost: bool) -> None:
    """As the worker that handed over has left it; where another one was lost since, nobody knows all of it."""
    deadlines = Deadlines(generations)
    await deadlines.note("gen_x", 0.05)
    await accept(generations, "gen_x")
    log = Log(redis)
    claim = await log.claim("gen_x", model="m", provider="p", ttl_ms=60_000)
    used = Usage(input_tokens=3)
    bill = Cancelled(usage=used, cost=Cost("0.5"), spent=[Spent("p/m", used, Cost("0.5"))])
    assert await log.hand_over("gen_x", claim.token, "drained", cancelled=encode(bill)) is WriteOutcome.OK
    if lost:
        await log.claim("gen_x", model="m", provider="p", ttl_ms=60_000)
    assert await until_ended(deadlines) == ["gen_x"]
    last = await log.last("gen_x")
    assert last is not None
    end = decode(last.type, last.data)
    assert isinstance(end, Failed)
    assert end.code == "deadline_exceeded"
    assert (end.usage, end.cost, end.spent) == ((None, None, UNSET) if lost else (used, bill.cost, bill.spent))
