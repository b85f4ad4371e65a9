"""What ends renews its conversation; nothing waits for that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, ResponseError

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.storage.keys import PENDING_KEY, ConversationKeys, GenerationKeys
from shared.usage import Ended
from tests.contract.accepting import REQUEST, accept
from tests.worker.conftest import Midstream, working
from worker.billing.prices import Prices
from worker.maintenance import conversation_keeper as module
from worker.maintenance.conversation_keeper import ConversationKeeper
from worker.maintenance.sweeper import HALF_ACCEPTED_MS, Sweeper

KEYS = ConversationKeys("local", "chat")


def ended(generation_id: str, conversation: str | None = "chat") -> Ended:
    return Ended(
        id=generation_id, owner="local", state="completed", ended_ms=7, keep_ms=1, model="p/m",
        conversation=conversation,
    )  # fmt: skip


async def taken(generations: Generations) -> str:
    generation_id = await generations.new_id("local", None)
    await generations.accept(
        Acceptance(
            id=generation_id, owner="local", model="p/m", request=REQUEST, on_interrupt="restart", ttl_ms=60_000,
            conversation="chat",
        )
    )  # fmt: skip
    return generation_id


@pytest.fixture
async def keeper(generations: Generations) -> AsyncIterator[ConversationKeeper]:
    made = ConversationKeeper(generations)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def drained(keeper: ConversationKeeper) -> None:
    async with asyncio.timeout(10):
        await keeper.drained()


async def test_it_renews_the_conversation_of_what_has_ended(
    keeper: ConversationKeeper, generations: Generations, redis: Redis
) -> None:
    generation_id = await taken(generations)
    await redis.pexpire(KEYS.about, 20_000)
    keeper.take([ended(generation_id)])
    await drained(keeper)
    assert await redis.pttl(KEYS.about) > 2_500_000_000


async def test_it_leaves_alone_what_is_in_none(keeper: ConversationKeeper, generations: Generations) -> None:
    generation_id = await accept(generations)
    keeper.take([ended(generation_id, None)])
    await drained(keeper)
    assert await generations.conversations.generations("local", "chat") == []


async def test_it_notes_again_what_its_conversation_lacks(
    keeper: ConversationKeeper, generations: Generations, redis: Redis
) -> None:
    generation_id = await taken(generations)
    await redis.delete(KEYS.about, KEYS.generations, KEYS.tombstone)
    keeper.take([ended(generation_id)])
    await drained(keeper)
    assert [place.id for place in await generations.conversations.generations("local", "chat")] == [generation_id]


async def test_it_does_not_note_what_was_deleted(
    keeper: ConversationKeeper, generations: Generations, redis: Redis
) -> None:
    generation_id = await taken(generations)
    await generations.delete("local", generation_id)
    keeper.take([ended(generation_id)])
    await drained(keeper)
    assert await generations.conversations.generations("local", "chat") == []


async def test_an_outage_is_outlived_and_a_refusal_passed_over(
    keeper: ConversationKeeper, generations: Generations, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation_id = await taken(generations)
    await redis.pexpire(KEYS.about, 20_000)
    keep, errors = keeper.keep, [ConnectionError("away"), ConnectionError("away")]
    tried: list[str] = []

    async def keeping(one: str, owner: str, conversation: str) -> None:
        tried.append(one)
        if one == "gen_refused":
            raise ResponseError("WRONGTYPE no")
        if errors:
            raise errors.pop()
        await keep(one, owner, conversation)

    monkeypatch.setattr(keeper, "keep", keeping)
    keeper.take([ended("gen_refused"), ended(generation_id)])
    await drained(keeper)
    assert tried == ["gen_refused", *[generation_id] * 3]
    assert await redis.pttl(KEYS.about) > 2_500_000_000


async def test_of_too_many_the_oldest_are_left_out(generations: Generations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    keeper = ConversationKeeper(generations)
    keeper.take([ended("gen_a"), ended("gen_b"), ended("gen_c")])
    assert keeper.waiting == ["gen_b", "gen_c"]


async def test_settling_does_not_wait_for_it(generations: Generations) -> None:
    keeper = ConversationKeeper(generations)
    settled: list[Any] = []

    async def settle(ids: list[str], those: list[Ended]) -> list[Ended]:
        settled.append((ids, those))
        return those

    one = ended("gen_a")
    assert await keeper.before(settle)(["gen_a"], [one]) == [one]
    assert settled == [(["gen_a"], [one])]


async def test_a_worker_renews_the_conversation_of_what_it_ran(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    generation_id = await midstream.ask("simulator/lorem?deltas=3", conversation="chat")
    await redis.pexpire(KEYS.about, 20_000)
    async with working(settings):
        await midstream.ended(generation_id)
        async with asyncio.timeout(20):
            while await redis.pttl(KEYS.about) < 2_500_000_000:
                await asyncio.sleep(0.05)


async def test_the_sweeper_renews_the_conversation_of_what_the_api_ended(
    queue: Queue, generations: Generations, settings: Settings, keeper: ConversationKeeper, redis: Redis
) -> None:
    generation_id = await taken(generations)
    await generations.cancel(generation_id)
    await redis.hset(GenerationKeys(generation_id).record, "ended", "1")  # type: ignore[misc]
    await redis.zincrby(PENDING_KEY, -10 * HALF_ACCEPTED_MS, generation_id)
    await redis.pexpire(KEYS.about, 20_000)
    sweeper = Sweeper(queue, generations, settings, Prices(settings), None, keeper)
    assert await sweeper.sweep() == 0
    await drained(keeper)
    assert await redis.pttl(KEYS.about) > 2_500_000_000


async def test_the_sweeper_gives_what_it_enqueues_its_place(
    queue: Queue, generations: Generations, settings: Settings, redis: Redis
) -> None:
    generation_id = await taken(generations)
    await redis.delete(KEYS.about, KEYS.generations, KEYS.tombstone, "midstream:queue")
    await redis.zincrby(PENDING_KEY, -10 * HALF_ACCEPTED_MS, generation_id)
    assert await Sweeper(queue, generations, settings, Prices(settings)).sweep() == 1
    assert [place.id for place in await generations.conversations.generations("local", "chat")] == [generation_id]
