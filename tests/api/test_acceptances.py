"""A Redis that comes back without its last second loses no accepted generation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis

from api import acceptances
from api.acceptances import Acceptances
from shared.generations import Acceptance, Existence, Generations
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
) -> AsyncIterator[tuple[Acceptances, Acceptance]]:
    monkeypatch.setattr(acceptances, "SETTLED", 0.2)
    subject = Acceptances(generations)
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
    generations: Generations, remembered: tuple[Acceptances, Acceptance]
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
    generations: Generations, remembered: tuple[Acceptances, Acceptance]
) -> None:
    subject, _ = remembered
    await generations.delete("me", "gen_x")
    async with asyncio.timeout(10):
        while subject._recent:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0)
    assert await _existence(generations) is Existence.TOMBSTONE
