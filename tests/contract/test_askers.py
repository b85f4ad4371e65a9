"""What is noted of askers: in any order, as often as one likes, and not more than may be."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.generations.askers import ANSWERED_MS, KEEP_MS, MAX_ASKERS, MAX_JOINED, Askers, NotedAsker
from shared.generations.generations import Generations
from shared.storage.keys import askers_key
from tests.contract.accepting import accept


@pytest.fixture
def askers(generations: Generations) -> Askers:
    return Askers(generations)


async def connected(generations: Generations, name: str = "node/1") -> NotedAsker:
    return NotedAsker(await accept(generations), name, "connected")


async def noted(redis: Redis, digest: str = "d") -> dict[str, NotedAsker]:
    pairs = (await redis.hgetall(askers_key(digest))).items()  # type: ignore[misc]
    return {generation_id.decode(): NotedAsker.parse(generation_id, text) for generation_id, text in pairs}


async def test_notes_in_any_order_come_to_the_same(redis: Redis, generations: Generations, askers: Askers) -> None:
    for last in ("broken", "answered"):
        asker = await connected(generations)
        notes = [asker, replace(asker, state=last)]
        for order in itertools.permutations([*notes, *notes]):
            await redis.delete(askers_key("d"))
            for note in order:
                await askers.note("d", note)
            found = (await noted(redis))[asker.generation_id]
            assert found.state == last
            assert found.began_ms > 0


async def test_notes_of_who_was_replaced_change_nothing(redis: Redis, generations: Generations, askers: Askers) -> None:
    asker = await connected(generations)
    await askers.note("d", replace(asker, state="broken"))
    (found,) = await askers.waiting("d", 1)
    retry = found.joined("node/2", 1)
    assert await askers.join("d", found, retry)
    assert await askers.join("d", found, retry), "whose reply was lost joins again"
    assert not await askers.join("d", found, found.joined("node/3", 1))
    for state in ("connected", "broken", "answered"):
        await askers.note("d", replace(asker, state=state))
    assert (await noted(redis))[asker.generation_id] == retry
    assert retry.counts == (1,)
    assert retry.began_ms == found.began_ms
    await askers.note("d", replace(retry, state="broken", counts=()))
    assert (await noted(redis))[asker.generation_id] == replace(retry, state="broken")
    assert await askers.waiting("d", 1) == []
    assert len(await askers.waiting("d", 2)) == 1


async def test_the_counts_that_join_are_bounded(generations: Generations, askers: Askers) -> None:
    asker = replace(await connected(generations), state="broken", counts=tuple(range(1, MAX_JOINED)))
    await askers.note("d", asker)
    assert len(await askers.waiting("d", 99)) == 1
    (found,) = await askers.waiting("d", 99)
    assert await askers.join("d", found, found.joined("node/2", 98))
    assert await askers.waiting("d", 99) == []


async def test_the_oldest_is_forgotten_but_first_who_was_answered(
    redis: Redis, generations: Generations, askers: Askers
) -> None:
    all_askers = [await connected(generations, f"node/{n}") for n in range(MAX_ASKERS + 3)]
    ids = [asker.generation_id for asker in all_askers]
    for asker in all_askers[:MAX_ASKERS]:
        await askers.note("d", asker)
    await askers.note("d", replace(all_askers[50], state="answered"))
    for asker in all_askers[MAX_ASKERS:]:
        await askers.note("d", asker)
    assert set(ids) - (await noted(redis)).keys() == {ids[50], ids[0], ids[1]}
    in_order = [asker.generation_id for asker in await askers.waiting("d", 1)]
    assert in_order == [i for i in reversed(ids) if i not in (ids[50], ids[0], ids[1])]


async def test_they_are_kept_until_all_had_their_answer(redis: Redis, generations: Generations, askers: Askers) -> None:
    one, two = await connected(generations, "node/1"), await connected(generations, "node/2")
    for asker in (one, two, replace(one, state="answered")):
        await askers.note("d", asker)
        assert KEEP_MS - 60_000 < await redis.pttl(askers_key("d")) <= KEEP_MS
    await askers.note("d", replace(two, state="answered"))
    assert 0 < await redis.pttl(askers_key("d")) <= ANSWERED_MS
    await askers.note("d", await connected(generations, "node/3"))
    assert await redis.pttl(askers_key("d")) > ANSWERED_MS


async def test_notes_of_many_are_one_round_trip_and_one_that_is_refused_stops_none(
    redis: Redis, generations: Generations, askers: Askers
) -> None:
    await redis.script_flush()
    await redis.set(askers_key("odd"), "no hash")
    notes = [(digest, await connected(generations, digest)) for digest in ("a", "odd", "b")]
    first, refused, last = await askers.note_all(notes)
    assert (first, last) == (None, None)
    assert isinstance(refused, ResponseError)
    assert len(await noted(redis, "a")) == len(await noted(redis, "b")) == 1


async def test_what_cannot_be_read_is_passed_over(redis: Redis, generations: Generations, askers: Askers) -> None:
    asker = await connected(generations)
    await askers.note("d", replace(asker, state="broken"))
    for number, text in enumerate((b"", b"1 n/1 lost ", b"x n/1 broken ", b"1 n/1 broken 1,x")):
        await redis.hset(askers_key("d"), mapping={f"gen_{number}": text})  # type: ignore[misc]
    assert [found.generation_id for found in await askers.waiting("d", 1)] == [asker.generation_id]


async def test_a_digest_tells_nothing_and_parts_do_not_run_together(askers: Askers) -> None:
    digest = await askers.digest("a", "openai-chat", b"{}", "x")
    assert digest == await askers.digest("a", "openai-chat", b"{}", "x")
    others = [
        await askers.digest("ab", "openai-chat", b"{}", "x"),
        await askers.digest("a", "anthropic", b"{}", "x"),
        await askers.digest("a", "openai-chat", b"{ }", "x"),
        await askers.digest("a", "openai-chat", b"{}", "y"),
        await askers.digest("a", "openai-chat", b"{}" * 100_000, "\udcff"),
    ]
    assert len({digest, *others}) == 6
    assert all(len(d) == 64 and set(d) <= set("0123456789abcdef") for d in others)
