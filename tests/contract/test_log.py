"""The log's contract: what may be written, by whom, and what is there afterwards."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from shared.generations.generations import Existence, Generations
from shared.log import guarded_log
from shared.log.entry import Entry
from shared.log.events import ORIGIN, EventId
from shared.log.guarded_log import (
    LOG_PAGE,
    MAX_BATCHES_PER_CALL,
    ClaimOutcome,
    Log,
    Publication,
    Reply,
    WriteOutcome,
)
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import accept, batch, claim, completed, delta
from worker.maintenance.compactor import Compactor


async def test_an_attempt_is_dense_from_its_first_event_to_the_seal(generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    assert attempt.start is ClaimOutcome.CLAIMED
    reply = await log.append(batch(generation_id, attempt, 1, [delta("a"), delta("b")]))
    assert reply.outcome is WriteOutcome.OK
    sealing = batch(generation_id, attempt, 3, [completed()])._replace(said=2)
    assert (await log.append(sealing)).outcome is WriteOutcome.OK

    entries = await log.read(generation_id)
    assert [entry.id for entry in entries] == [EventId(attempt.token, seq) for seq in range(4)]
    assert [entry.type for entry in entries] == ["attempt", "delta", "delta", "completed"]
    assert entries[0].data == attempt.first
    first = json.loads(entries[0].data)
    assert first == {"number": 1, "reason": "new", "model": "p/m", "provider": "p", "continues": False, "t": 0}
    record = (await generations.find(generation_id)).record
    assert record is not None
    assert (record.state, record.seal, record.said) == ("completed", EventId(attempt.token, 3), 2)


async def test_the_token_is_redis_time_and_always_grows(generations: Generations, log: Log, redis: Redis) -> None:
    generation_id = await accept(generations)
    seconds, _ = await redis.time()
    tokens = [(await claim(log, generation_id)).token for _ in range(3)]
    assert tokens == sorted(set(tokens))
    assert abs(tokens[0] - seconds * 1000) < 5_000

    # Even a clock that went back gives a later token than the log has.
    ahead = tokens[-1] + 1_000_000
    await redis.xadd(GenerationKeys(generation_id).log, {"delta": "{}"}, id=f"{ahead}-0")
    assert (await claim(log, generation_id)).token == ahead + 1


async def test_a_claim_fences_every_older_attempt(generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    old = await claim(log, generation_id)
    new = await claim(log, generation_id)
    assert (await log.append(batch(generation_id, old, 1, [delta("late")]))).outcome is WriteOutcome.FENCED
    assert (await log.append(batch(generation_id, old, 1, [completed()]))).outcome is WriteOutcome.FENCED
    assert (await log.append(batch(generation_id, new, 1, [delta("ok")]))).outcome is WriteOutcome.OK
    assert [json.loads(e.data)["delta"] for e in await log.read(generation_id) if e.type == "delta"] == ["ok"]


async def test_nothing_follows_the_seal(generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    await log.append(batch(generation_id, attempt, 1, [completed()]))
    reply = await log.append(batch(generation_id, attempt, 2, [delta("more")]))
    assert (reply.outcome, reply.last) == (WriteOutcome.SEALED, EventId(attempt.token, 1))
    assert (await claim(log, generation_id)).start is ClaimOutcome.SEALED
    assert len(await log.read(generation_id)) == 2


async def test_holes_and_repetitions_are_refused_with_the_logs_end(generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    hole = await log.append(batch(generation_id, attempt, 2, [delta("hole")]))
    assert (hole.outcome, hole.last) == (WriteOutcome.MISMATCH, EventId(attempt.token, 0))
    again = batch(generation_id, attempt, 1, [delta("a"), delta("b")])
    assert (await log.append(again)).outcome is WriteOutcome.OK
    repeated = await log.append(again)
    assert (repeated.outcome, repeated.last) == (WriteOutcome.MISMATCH, EventId(attempt.token, 2))
    assert len(await log.read(generation_id)) == 3


async def test_a_write_never_recreates_what_is_gone(generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    await generations.delete("local", generation_id)
    assert (await log.append(batch(generation_id, attempt, 1, [delta("x")]))).outcome is WriteOutcome.GONE
    assert (await claim(log, generation_id)).start is ClaimOutcome.GONE
    assert await log.read(generation_id) == []
    assert (await generations.find(generation_id)).existence is Existence.TOMBSTONE


async def test_a_log_deleted_under_its_writer_is_a_mismatch_and_not_a_new_log(
    generations: Generations, log: Log, redis: Redis
) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    await redis.delete(GenerationKeys(generation_id).log)
    reply = await log.append(batch(generation_id, attempt, 1, [delta("x")]))
    assert (reply.outcome, reply.last) == (WriteOutcome.MISMATCH, ORIGIN)


async def test_a_lost_claim_is_restored_only_from_its_first_event(
    generations: Generations, log: Log, redis: Any
) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    # Redis came back without the second in which the claim was made.
    await redis.hset(GenerationKeys(generation_id).record, mapping={"token": "0", "state": "queued", "attempts": "0"})
    await redis.delete(GenerationKeys(generation_id).log)
    later = batch(generation_id, attempt, 1, [delta("x")])
    assert (await log.append(later)).outcome is WriteOutcome.MISMATCH
    whole = later.__class__(
        generation_id, attempt.token, attempt.number, ORIGIN, 0, [("attempt", attempt.first), *later.events]
    )
    assert (await log.append(whole)).outcome is WriteOutcome.OK
    record = (await generations.find(generation_id)).record
    assert record is not None
    assert (record.state, record.attempts) == ("running", 1)
    assert [entry.id.seq for entry in await log.read(generation_id)] == [0, 1]


async def test_batches_of_many_logs_share_a_call_and_each_has_its_own_answer(
    generations: Generations, log: Log
) -> None:
    ids = [await accept(generations) for _ in range(MAX_BATCHES_PER_CALL + 6)]
    attempts = [await claim(log, generation_id) for generation_id in ids]
    batches = [batch(*pair, 1, [delta("a")]) for pair in zip(ids, attempts, strict=True)]
    heir = await claim(log, ids[0])
    await log.append(batch(ids[1], attempts[1], 1, [completed()]))
    await generations.delete("local", ids[2])
    batches[3] = batch(ids[3], attempts[3], 2, [delta("hole")])
    batches[4] = batch(ids[4], attempts[4], 1, [delta("a"), completed()])
    await generations.cancel(ids[5])
    await log.load()
    replies = await log.append_all([*batches, batch(ids[4], attempts[4], 3, [delta("late")])])
    assert replies == [
        Reply(WriteOutcome.FENCED),
        Reply(WriteOutcome.SEALED, EventId(attempts[1].token, 1)),
        Reply(WriteOutcome.GONE),
        Reply(WriteOutcome.MISMATCH, EventId(attempts[3].token, 0)),
        Reply(WriteOutcome.OK),
        Reply(WriteOutcome.OK, cancel=True),
        *[Reply(WriteOutcome.OK)] * MAX_BATCHES_PER_CALL,
        Reply(WriteOutcome.SEALED, EventId(attempts[4].token, 2)),
    ]
    assert [entry.id.token for entry in await log.read(ids[0])] == [attempts[0].token, heir.token]
    for generation_id, attempt in zip(ids[5:], attempts[5:], strict=True):
        assert [entry.id for entry in await log.read(generation_id)] == [EventId(attempt.token, n) for n in (0, 1)]


async def test_a_redis_without_memory_takes_an_end_and_nothing_that_comes_with_it(
    redis: Redis, generations: Generations, log: Log
) -> None:
    ids = [await accept(generations) for _ in range(3)]
    attempts = [await claim(log, generation_id) for generation_id in ids]
    batches = [
        batch(ids[0], attempts[0], 1, [delta("a")]),
        batch(ids[1], attempts[1], 1, [completed()]),
        batch(ids[2], attempts[2], 1, [delta("a")]),
    ]
    await log.load()
    limited = not isinstance(redis, FakeAsyncRedis)  # which has no limit
    if limited:
        await redis.config_set("maxmemory", "1")
    try:
        replies = await log.append_all(batches)
    finally:
        if limited:
            await redis.config_set("maxmemory", "0")
    refused = [isinstance(reply, OutOfMemoryError) for reply in replies]
    assert refused == [limited, False, limited]
    assert [len(await log.read(generation_id)) for generation_id in ids] == ([1, 2, 1] if limited else [2, 2, 2])


async def test_publications_carry_the_batch_and_what_it_follows(
    generations: Generations, log: Log, redis: Redis
) -> None:
    generation_id = await accept(generations)
    async with redis.pubsub(ignore_subscribe_messages=False) as channel:
        await channel.subscribe(GenerationKeys(generation_id).channel)
        assert (await channel.get_message(timeout=5))["type"] == "subscribe"
        attempt = await claim(log, generation_id)
        await log.append(batch(generation_id, attempt, 7, [delta("refused")]))
        await log.append(batch(generation_id, attempt, 1, [delta("a\nb"), completed()]))
        await generations.delete("local", generation_id)
        heard = [Publication.parse((await channel.get_message(timeout=5))["data"]) for _ in range(3)]
    first, second, deleted = heard
    assert first is not None
    assert second is not None
    assert (first.previous, [entry.id.seq for entry in first.entries]) == (ORIGIN, [0])
    assert (second.previous, [entry.id.seq for entry in second.entries]) == (
        EventId(attempt.token, 0),
        [1, 2],
    )
    assert [entry.type for entry in second.entries] == ["delta", "completed"]
    assert json.loads(second.entries[0].data)["delta"] == "a\nb"
    assert deleted is None


async def test_what_is_larger_than_1_mb_is_published_by_its_id_alone(
    generations: Generations, log: Log, redis: Redis
) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    small, large = "a" * 900_000, "b" * 1_000_000
    async with redis.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(GenerationKeys(generation_id).channel)
        assert await channel.get_message(timeout=5) is None
        await log.append(batch(generation_id, attempt, 1, [delta(small)]))
        await log.append(batch(generation_id, attempt, 2, [delta("c"), delta(large)]))
        await log.append(batch(generation_id, attempt, 4, [delta(small), delta(small), completed()]))
        heard = [(await channel.get_message(timeout=5))["data"] for _ in range(3)]
    assert [len(message) > 900_000 for message in heard] == [True, False, False]
    told = [Publication.parse(message) for message in heard]
    assert [[entry.id.seq for entry in one.entries] for one in told if one is not None] == [[1], [3], [6]]
    # It follows no event that there is: whoever hears of it reads the log, and nobody takes it for an event.
    assert [one.previous for one in told[1:] if one is not None] == [EventId(attempt.token, (1 << 64) - 1)] * 2
    assert [len(entry.data) > 900_000 for entry in await log.read(generation_id)] == [
        False, True, False, True, True, True, False,
    ]  # fmt: skip


async def test_pages_of_a_log_are_bounded_in_bytes(
    generations: Generations, log: Log, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images are not read by the hundred; one of them, or many small events, are read as before."""
    monkeypatch.setattr(guarded_log, "PAGE_BYTES", 250_000)
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    await log.append(batch(generation_id, attempt, 1, [delta("a" * 60_000) for _ in range(10)]))
    await log.append(batch(generation_id, attempt, 11, [delta("b" * 100_000), delta("c" * 70_000)]))
    assert await log.page(generation_id) == LOG_PAGE
    await log.append(batch(generation_id, attempt, 13, [delta("d" * 100_000)]))
    assert await log.page(generation_id) == 2
    await log.append(batch(generation_id, attempt, 14, [delta("e" * 300_000), completed()]))
    assert await log.page(generation_id) == 1
    record = (await generations.find(generation_id)).record
    assert record is not None
    assert record.page == 1
    pages = [page async for page in log.pages(generation_id)]
    assert [len(page) for page in pages] == [1] * 16
    assert [entry for page in pages for entry in page] == await log.read(generation_id)


async def test_reads_page_from_any_cursor(generations: Generations, log: Log) -> None:
    generation_id = await accept(generations)
    attempt = await claim(log, generation_id)
    await log.append(batch(generation_id, attempt, 1, [delta(str(n)) for n in range(20)]))
    whole = await log.read(generation_id, count=100)
    assert len(whole) == 21
    for index, entry in enumerate(whole):
        assert await log.read(generation_id, entry.id, count=100) == whole[index + 1 :]
        assert await log.holds(generation_id, entry.id)
    assert await log.read(generation_id, count=5) == whole[:5]
    assert await log.last(generation_id) == whole[-1]
    assert not await log.holds(generation_id, EventId(attempt.token, 21))


async def test_a_packed_log_reads_as_before(generations: Generations, log: Log, redis: Redis) -> None:
    packer = Compactor(log, generations)
    generation_id = await accept(generations)
    for _ in range(2):
        attempt = await claim(log, generation_id)
        await log.append(batch(generation_id, attempt, 1, [delta(f"{n} ") for n in range(200)]))
    assert not await packer.pack(generation_id), "it may still grow"
    await log.append(batch(generation_id, attempt, 201, [completed()]))
    whole = await log.read(generation_id, count=1000)
    key = GenerationKeys(generation_id).log
    left = await redis.pttl(key)
    seal = whole[-1].id
    assert not await log.replace(generation_id, EventId(seal.token, 9), len(whole), whole[-1:])
    assert not await log.replace(generation_id, seal, len(whole) - 1, whole[-1:])
    assert await redis.xlen(key) == len(whole)

    assert await packer.pack(generation_id)
    assert await redis.xlen(key) < 15
    assert left - 5_000 < await redis.pttl(key) <= left
    assert not await redis.exists(GenerationKeys(generation_id).packing)
    assert await log.read(generation_id, count=1000) == whole
    for index in (0, 1, 63, 64, 100, 200, 201, 300, len(whole) - 2, len(whole) - 1):
        assert await log.read(generation_id, whole[index].id, count=70) == whole[index + 1 : index + 71]
        assert await log.holds(generation_id, whole[index].id)
    assert await log.last(generation_id) == whole[-1]
    assert not await log.holds(generation_id, EventId(seal.token, seal.seq + 1))
    assert not await log.holds(generation_id, EventId(seal.token - 1, 500))
    assert (await log.append(batch(generation_id, attempt, 201, [completed()]))).outcome is WriteOutcome.SEALED
    assert not await packer.pack(generation_id), "it is packed"


async def test_ends_of_many_logs(generations: Generations, log: Log) -> None:
    ids = [await accept(generations) for _ in range(3)]
    for generation_id in ids[:2]:
        began = await claim(log, generation_id)
        await log.append(batch(generation_id, began, 1, [delta("a"), completed()]))
    newest = [await log.last(generation_id) for generation_id in ids[:2]]
    found = [None if raw is None else Entry.read(raw) for raw in await log.ends([*ids, "gen_none"])]
    assert found == [*newest, None, None]
    assert await log.ends([]) == []


class TestCancel:
    async def test_queued_is_sealed_at_once(self, generations: Generations, log: Log) -> None:
        generation_id = await accept(generations)
        assert await generations.cancel(generation_id) == "cancelled"
        assert [entry.type for entry in await log.read(generation_id)] == ["cancelled"]
        assert (await claim(log, generation_id)).start is ClaimOutcome.SEALED

    async def test_running_is_told_by_the_next_append_and_the_next_claim(
        self, generations: Generations, log: Log
    ) -> None:
        generation_id = await accept(generations)
        attempt = await claim(log, generation_id)
        assert await generations.cancel(generation_id) == "running"
        assert (await log.append(batch(generation_id, attempt, 1, [delta("x")]))).cancel
        assert await generations.ends([generation_id, "gen_none"]) == ["cancel", "lost"]
        assert (await claim(log, generation_id)).start is ClaimOutcome.CANCELLED
        await generations.delete("local", generation_id)
        assert await generations.ends([generation_id]) == ["ending"], "a Redis that crashes now may not know it"
        await log.redis.pexpire(
            GenerationKeys(generation_id).tombstone,
            int(generations.settings.tombstone_ttl * 1000) - generations.durability.synced_ms,
        )
        assert await generations.ends([generation_id]) == ["gone"]

    async def test_against_completion_the_first_seal_wins(self, generations: Generations, log: Log) -> None:
        generation_id = await accept(generations)
        attempt = await claim(log, generation_id)
        await generations.cancel(generation_id)
        await log.append(batch(generation_id, attempt, 1, [completed()]))
        assert await generations.cancel(generation_id) == "completed"

    async def test_unknown(self, generations: Generations) -> None:
        assert await generations.cancel("gen_none") is None


class TestAttempts:
    async def test_attempts_of_further_models_come_when_none_is_left(self, generations: Generations, log: Log) -> None:
        """They are not counted, may be handed over, and end by the next failure."""
        generation_id = await accept(generations)
        generations_claims = [await claim(log, generation_id) for _ in range(4)]
        assert generations_claims[-1].start is ClaimOutcome.EXHAUSTED
        further = await log.claim(
            generation_id, model="n", provider="p", ttl_ms=60_000, token=generations_claims[-1].token,
            reason="fallback", choice=1,
        )  # fmt: skip
        assert (further.start, further.number) == (ClaimOutcome.CLAIMED, 4)
        assert await log.hand_over(generation_id, further.token, "drained") is WriteOutcome.OK
        drained = await claim(log, generation_id)
        assert (drained.start, drained.number) == (ClaimOutcome.CLAIMED, 5)
        assert (await claim(log, generation_id)).start is ClaimOutcome.EXHAUSTED

    async def test_lost_attempts_are_counted_and_exhausted(self, generations: Generations, log: Log) -> None:
        generation_id = await accept(generations)
        starts = [await claim(log, generation_id) for _ in range(4)]
        assert [start.start for start in starts] == [ClaimOutcome.CLAIMED] * 3 + [ClaimOutcome.EXHAUSTED]
        reasons = [json.loads(entry.data)["reason"] for entry in await log.read(generation_id)]
        assert reasons == ["new", "worker_lost", "worker_lost"]
        # The exhausted claim owns the log, to say so.
        reply = await log.append(batch(generation_id, starts[-1], 0, [completed()]))
        assert reply.outcome is WriteOutcome.OK

    async def test_a_handed_over_attempt_does_not_count(self, generations: Generations, log: Log) -> None:
        generation_id = await accept(generations)
        for number in range(1, 6):
            attempt = await claim(log, generation_id)
            assert (attempt.start, attempt.number) == (ClaimOutcome.CLAIMED, number)
            assert await log.hand_over(generation_id, attempt.token, "drained") is WriteOutcome.OK
        assert json.loads((await log.read(generation_id))[-1].data)["reason"] == "drained"
        assert await log.hand_over(generation_id, attempt.token - 1, "drained") is WriteOutcome.FENCED

    async def test_a_lost_attempt_beside_another_on_its_last_is_pardoned(
        self, generations: Generations, log: Log
    ) -> None:
        """As often as attempts may fail, and only where its claim said so, or a note was made after it."""
        generation_id = await accept(generations)
        for number in range(6):
            assert (await claim(log, generation_id, beside=number % 2 == 0)).start is ClaimOutcome.CLAIMED
            if number % 2:
                await generations.note_beside([generation_id, "gen_none"])
        record = (await generations.find(generation_id)).record
        assert record is not None
        assert (record.beside, record.failures, record.pardons, record.attempts) == (True, 2, 3, 6)
        assert (await claim(log, generation_id)).start is ClaimOutcome.EXHAUSTED
        assert await generations.ends(["gen_none"]) == ["lost"], "a note makes no record"

    async def test_on_interrupt_fail_ends_it(self, generations: Generations, log: Log) -> None:
        generation_id = await accept(generations, on_interrupt="fail")
        await claim(log, generation_id)
        assert (await claim(log, generation_id)).start is ClaimOutcome.INTERRUPTED

    async def test_the_same_worker_tries_again_only_while_it_owns_the_log(
        self, generations: Generations, log: Log
    ) -> None:
        generation_id = await accept(generations)
        first = await claim(log, generation_id)
        second = await log.claim(
            generation_id, model="m", provider="p", ttl_ms=60_000, token=first.token, reason="provider_error"
        )
        assert (second.start, second.number) == (ClaimOutcome.CLAIMED, 2)
        stale = await log.claim(
            generation_id, model="m", provider="p", ttl_ms=60_000, token=first.token, reason="provider_error"
        )
        assert stale.start is ClaimOutcome.FENCED


async def test_an_ended_log_expires_and_leaves_a_tombstone(generations: Generations, log: Log, redis: Redis) -> None:
    generation_id = await accept(generations, ttl_ms=50)
    attempt = await claim(log, generation_id)
    await log.append(batch(generation_id, attempt, 1, [completed()]))
    async with asyncio.timeout(5):
        while (await generations.find(generation_id)).existence is Existence.RECORD:
            await asyncio.sleep(0.01)
    found = await generations.find(generation_id)
    assert (found.existence, found.owner) == (Existence.TOMBSTONE, "local")
    assert await log.read(generation_id) == []
    assert await redis.pttl(GenerationKeys(generation_id).tombstone) > 0


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "+1-0", "01-0", "1-00", "1-0-0", "1-0 ", "\u0661-0", f"{1 << 64}-0", "a-b"]
)
def test_malformed_event_ids(text: str) -> None:
    with pytest.raises(ValueError, match="event id"):
        EventId.parse(text)
