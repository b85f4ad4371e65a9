"""A Redis that comes back without its last second loses no accepted generation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from api import promises
from api.promises import Ending, Promises
from shared.generations import Acceptance, Existence, Generations
from shared.log import Keys
from shared.queue import Queue
from shared.settings import Settings


@pytest.fixture
async def generations() -> AsyncIterator[Generations]:
    redis = FakeAsyncRedis(version=(7, 0))
    settings = Settings()
    yield Generations(redis, Queue(redis, settings), settings)
    await redis.aclose()


@pytest.fixture
async def remembered(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Promises, Acceptance]]:
    monkeypatch.setattr(promises, "SETTLED", 0.2)
    subject = Promises(generations)
    task = asyncio.create_task(subject.run())
    acceptance = Acceptance(id="gen_x", owner="me", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000)
    await generations.accept(acceptance)
    subject.remember(acceptance)
    yield subject, acceptance
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _existence(generations: Generations) -> Existence:
    return (await generations.find("gen_x")).existence


async def test_what_was_lost_is_accepted_again(
    generations: Generations, remembered: tuple[Promises, Acceptance]
) -> None:
    await generations.redis.flushall()
    assert await _existence(generations) is Existence.NOTHING
    async with asyncio.timeout(10):
        while await generations.queue.position("gen_x") != 1:
            await asyncio.sleep(0.02)
    record = (await generations.find("gen_x")).record
    assert record is not None
    assert (record.owner, record.request, record.state) == ("me", b"{}", "queued")


async def test_what_was_deleted_stays_deleted(
    generations: Generations, remembered: tuple[Promises, Acceptance]
) -> None:
    subject, _ = remembered
    await generations.delete("me", "gen_x")
    async with asyncio.timeout(10):
        while subject._recent:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0)
    assert await _existence(generations) is Existence.TOMBSTONE


async def test_what_was_cancelled_is_cancelled_again(
    generations: Generations, remembered: tuple[Promises, Acceptance]
) -> None:
    """Redis came back without the cancel."""
    subject, _ = remembered
    assert await generations.cancel("gen_x") == "cancelled"
    subject.remember(Ending("cancel", "gen_x", "me"))
    redis: Any = generations.redis
    await redis.hdel(Keys("gen_x").record, "cancel", "seal", "ended")
    await redis.hset(Keys("gen_x").record, "state", "queued")
    await redis.delete(Keys("gen_x").log)
    async with asyncio.timeout(10):
        while await generations.ends(["gen_x"]) not in (["ending"], ["sealed"]):
            await asyncio.sleep(0.02)
    found = (await generations.find("gen_x")).record
    assert found is not None
    assert found.state == "cancelled"


async def test_what_was_deleted_is_deleted_again(
    generations: Generations, remembered: tuple[Promises, Acceptance]
) -> None:
    """Redis came back without the deletion."""
    subject, acceptance = remembered
    await generations.delete("me", "gen_x")
    subject.remember(Ending("delete", "gen_x", "me"))
    await generations.redis.delete(Keys("gen_x").tombstone)
    await generations.accept(acceptance)
    async with asyncio.timeout(10):
        while await _existence(generations) is not Existence.TOMBSTONE:
            await asyncio.sleep(0.02)
