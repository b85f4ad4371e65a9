"""A Redis that comes back without its last second loses no accepted generation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import BusyLoadingError, ConnectionError

from api import unsynced
from api.unsynced import ConversationEnding, Ending, Unsynced
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.conversation_removal import remove
from shared.generations.generations import Existence, Generations
from shared.log.events import Completed
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.storage.keys import LEASES_KEY, PENDING_KEY, QUEUE_KEY, ConversationKeys, GenerationKeys
from tests.contract.accepting import batch, claim


@pytest.fixture
def remembered_s() -> float:
    """As for Redis in production, of which all other times are a tenth here."""
    return 60.0


@pytest.fixture
async def generations(remembered_s: float) -> AsyncIterator[Generations]:
    redis = FakeAsyncRedis(version=(7, 0))
    settings = Settings()
    durability = Durability(settings.lease, sync_s=0.1, remembered_s=remembered_s)
    yield Generations(redis, Queue(redis, settings, durability), settings)
    await redis.aclose()


@pytest.fixture
async def remembered(generations: Generations) -> AsyncIterator[tuple[Unsynced, Acceptance]]:
    subject = Unsynced(generations)
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
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    await generations.redis.flushall()
    assert await _existence(generations) is Existence.NOTHING
    async with asyncio.timeout(10):
        while await generations.queue.position("gen_x") != 1:
            await asyncio.sleep(0.02)
    found = await generations.find("gen_x", request=True)
    assert found.record is not None
    assert (found.owner, found.request, found.record.state) == ("me", b"{}", "queued")


async def test_what_was_deleted_stays_deleted(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    subject, _ = remembered
    await generations.delete("me", "gen_x")
    async with asyncio.timeout(10):
        while subject._accepted.answers:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0)
    assert await _existence(generations) is Existence.TOMBSTONE


async def test_what_was_cancelled_is_cancelled_again(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    """Redis came back without the cancel."""
    subject, _ = remembered
    assert await generations.cancel("gen_x") == "cancelled"
    subject.remember(Ending("cancel", "gen_x", "me"))
    redis: Any = generations.redis
    await redis.hdel(GenerationKeys("gen_x").record, "cancel", "seal", "ended")
    await redis.hset(GenerationKeys("gen_x").record, "state", "queued")
    await redis.delete(GenerationKeys("gen_x").log)
    async with asyncio.timeout(10):
        while await generations.ends(["gen_x"]) not in (["ending"], ["sealed"]):
            await asyncio.sleep(0.02)
    found = (await generations.find("gen_x")).record
    assert found is not None
    assert found.state == "cancelled"


async def test_what_was_deleted_is_deleted_again(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    """Redis came back without the deletion."""
    subject, acceptance = remembered
    await generations.delete("me", "gen_x")
    subject.remember(Ending("delete", "gen_x", "me"))
    await generations.redis.delete(GenerationKeys("gen_x").tombstone)
    await generations.accept(acceptance)
    async with asyncio.timeout(10):
        while await _existence(generations) is not Existence.TOMBSTONE:
            await asyncio.sleep(0.02)


async def _talk(generations: Generations, generation_id: str) -> Acceptance:
    acceptance = Acceptance(
        id=generation_id, owner="me", model="p/m", request=b"{}", on_interrupt="restart", ttl_ms=60_000,
        conversation="chat",
    )  # fmt: skip
    accepted = await generations.accept(acceptance)
    return replace(acceptance, created_ms=accepted.created_ms, number=accepted.number)


async def _delete(generations: Generations, subject: Unsynced) -> ConversationEnding:
    buried, _ = await remove(generations, "me", "chat")
    assert buried is not None
    ending = ConversationEnding("chat", "me", buried)
    subject.remember(ending)
    return ending


async def test_a_conversation_that_was_deleted_is_deleted_again(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    """Redis came back without the deletion."""
    redis: Any = generations.redis
    await _talk(generations, "gen_a")
    kept = {key: await redis.dump(key) for key in await redis.keys("*")}
    await _delete(generations, remembered[0])
    for key, value in kept.items():
        await redis.restore(key, 0, value, replace=True)
    assert await generations.conversations.find("me", "chat") is not None

    async def deleted() -> bool:
        gone = await generations.conversations.find("me", "chat") is None
        return gone and (await generations.find("gen_a")).record is None

    await _until(deleted)
    assert await generations.conversations.ended("me", "chat")


async def test_a_conversation_of_the_same_name_that_was_begun_since_is_left(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    subject, _ = remembered
    await _talk(generations, "gen_a")
    await _delete(generations, subject)
    await asyncio.sleep(0.002)
    await _talk(generations, "gen_b")

    async def looked() -> bool:
        return not subject._buried.answers

    await _until(looked)
    assert [place.id for place in await generations.conversations.generations("me", "chat")] == ["gen_b"]


async def test_a_lost_note_is_made_again_where_the_record_is_there(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    """The append-only file ended between the two."""
    subject, _ = remembered
    for generation_id in ("gen_a", "gen_b"):
        subject.remember(await _talk(generations, generation_id))
    conversations = generations.conversations
    before = list(await conversations.generations("me", "chat"))
    await generations.redis.zrem(ConversationKeys("me", "chat").generations, "gen_a")

    async def noted() -> bool:
        return list(await conversations.generations("me", "chat")) == before

    await _until(noted)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("remembered_s", [0.4])
async def test_an_outage_of_any_length_is_outlived(
    generations: Generations, remembered: tuple[Unsynced, Acceptance], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more tries than answers are counted."""
    assert generations.durability.max_looks == 2
    look, tries = generations.accept_again, 0

    async def away(_: Any) -> list[Acceptance]:
        nonlocal tries
        tries += 1
        raise BusyLoadingError("loading") if tries % 2 else ConnectionError("away")

    monkeypatch.setattr(generations, "accept_again", away)

    async def tried() -> bool:
        return tries > 8

    async def queued() -> bool:
        return (await generations.queue.indexes.lacks([("gen_x", "me")])) == [(False, False)]

    await _until(tried)
    await generations.redis.flushall()
    monkeypatch.setattr(generations, "accept_again", look)
    await _until(queued)


async def test_a_queue_that_lost_it_alone_has_it_again(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    """It is on a Redis of its own; the record is where it was."""
    redis: Any = generations.redis
    await redis.delete(QUEUE_KEY, PENDING_KEY, LEASES_KEY, "midstream:owner:me", "midstream:owners", "arq:job:gen_x")

    async def there() -> bool:
        return await generations.queue.indexes.lacks([("gen_x", "me")]) == [(False, False)]

    await _until(there)
    assert await redis.exists("arq:job:gen_x")
    assert await generations.queue.indexes.owners() == ["me"]
    assert (await generations.queue.indexes.pending(count=9))[0][0] == "gen_x"


async def test_what_has_ended_meanwhile_is_listed_again_and_not_run_again(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    redis: Any = generations.redis
    log = Log(redis)
    running = await claim(log, "gen_x")
    await log.append(batch("gen_x", running, 1, [Completed(finish_reason="stop")]))
    await redis.delete(QUEUE_KEY, PENDING_KEY, LEASES_KEY, "midstream:owner:me")

    async def listed() -> bool:
        return await generations.queue.indexes.place("me", "gen_x") is not None

    await _until(listed)
    assert await redis.zscore(QUEUE_KEY, "gen_x") is None


async def test_one_that_redis_cannot_look_at_holds_up_no_other(
    generations: Generations, remembered: tuple[Unsynced, Acceptance]
) -> None:
    subject, acceptance = remembered
    redis: Any = generations.redis
    bad = replace(acceptance, id="gen_bad")
    await redis.set(GenerationKeys("gen_bad").record, "not a record")
    subject.remember(bad)
    await redis.delete(GenerationKeys("gen_x").record, GenerationKeys("gen_x").tombstone)

    async def again() -> bool:
        return await _existence(generations) is Existence.RECORD

    await _until(again)


async def test_a_queue_that_is_away_holds_up_no_cancel(
    generations: Generations, remembered: tuple[Unsynced, Acceptance], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, _ = remembered

    async def frozen(_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(generations.queue.indexes, "lacks", frozen)
    subject.remember(Ending("cancel", "gen_x", "me"))

    async def cancelled() -> bool:
        record = (await generations.find("gen_x")).record
        return record is not None and record.state == "cancelled"

    await _until(cancelled)


@pytest.mark.parametrize("remembered_s", [0.6])
async def test_what_redis_never_does_is_forgotten(generations: Generations) -> None:
    assert generations.durability.max_looks == 3
    subject = Unsynced(generations)
    task = asyncio.create_task(subject.run())
    await generations.redis.set(GenerationKeys("gen_bad").record, "not a record")
    subject.remember(Ending("cancel", "gen_bad", "me"))
    async with asyncio.timeout(10):
        await subject.kept()
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_remembered_has_a_bound_in_bytes(
    generations: Generations, remembered: tuple[Unsynced, Acceptance], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, acceptance = remembered
    monkeypatch.setattr(unsynced, "MAX_REQUEST_BYTES", 10_000)
    for number in range(4):
        subject.remember(replace(acceptance, id=f"gen_{number}", request=b"{}".ljust(4_000)))
    await generations.redis.flushall()
    await _until(lambda: generations.queue.position("gen_3"))
    found = [(await generations.find(f"gen_{name}")).existence for name in ("x", "0", "1", "2", "3")]
    assert found == [Existence.NOTHING] * 3 + [Existence.RECORD] * 2
