"""The indexes that span generations: pending ones, and each owner's list."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.queue.indexes import IndexPlace
from shared.queue.limits import Announced, Refusal
from shared.queue.queue import Queue
from shared.storage.keys import PENDING_KEY


async def test_what_an_index_or_the_queue_lacks(queue: Queue, redis: Any) -> None:
    await queue.indexes.announce("a", "me", most=9)
    assert await queue.indexes.lacks([("a", "me"), ("b", "me")]) == [(False, True), (True, True)]
    await queue.enqueue("a", owner="o")
    assert await queue.indexes.lacks([("a", "me")]) == [(False, False)]
    await redis.delete("midstream:owner:me")
    assert await queue.indexes.lacks([("a", "me")]) == [(True, False)]
    await queue.indexes.list_again("a", "me")
    assert await queue.indexes.lacks([("a", "me")]) == [(False, False)]
    assert 0 < await redis.pttl("midstream:owner:me") <= queue.indexes.longest_ms


async def test_the_pending_index_keeps_what_has_no_end(queue: Queue) -> None:
    assert (await queue.indexes.announce("a", "me", most=1)).outcome is Announced.NEW
    assert (await queue.indexes.announce("a", "me", most=1)).outcome is Announced.BEFORE
    assert (await queue.indexes.announce("b", "me", most=1))[:2] == (Announced.REFUSED, (Refusal.PENDING,))
    assert await queue.indexes.place("me", "b") is None
    far = 1 << 50
    assert [(i, queued) for i, _, queued, _ in await queue.indexes.pending(count=9, before_ms=far)] == [("a", False)]
    await queue.enqueue("a", owner="o")
    await queue.take("w", most=1)
    await queue.finish("w", "a", "done")
    assert [(i, queued) for i, _, queued, _ in await queue.indexes.pending(count=9, before_ms=far)] == [("a", False)]
    await queue.indexes.settle(["a"])
    assert await queue.redis.zcard(PENDING_KEY) == 0


async def test_owners_lists_are_newest_first_and_paged(queue: Queue) -> None:
    for name in "abcde":
        await queue.indexes.announce(name, "me", most=99)
        await asyncio.sleep(0.002)
    await queue.indexes.announce("x", "you", most=99)
    newest = await queue.indexes.owned("me", before=None, limit=3)
    assert [place.id for place in newest] == ["e", "d", "c"]
    assert await queue.indexes.place("me", "d") == newest[1]
    assert await queue.indexes.place("me", "nope") is None
    assert [place.id for place in await queue.indexes.owned("me", before=newest[-1], limit=3)] == ["b", "a"]
    # What is gone is gone on from as before.
    await queue.indexes.forget("me", ["e", "d", "c"])
    assert [place.id for place in await queue.indexes.owned("me", before=newest[-1], limit=1)] == ["b"]
    assert [place.id for place in await queue.indexes.owned("me", before=None, limit=1)] == ["b"]
    assert await queue.indexes.owners() == ["me", "you"]


async def test_those_of_one_moment_are_told_apart_by_their_ids(queue: Queue, redis: Any) -> None:
    await redis.zadd("midstream:owner:me", dict.fromkeys("abcde", 7) | {"z": 6, "y": 8})
    places = await queue.indexes.owned("me", before=None, limit=99)
    assert [place.id for place in places] == list("yedcbaz")
    for at, place in enumerate(places):
        assert await queue.indexes.owned("me", before=place, limit=2) == places[at + 1 : at + 3]
        assert IndexPlace.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "7", "7-", "-a", "x-a", "-7-a", "7.0-a", "\u0667-a", "1" * 16 + "-a"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="place"):
        IndexPlace.parse(text)


async def test_the_owners_list_forgets_what_nothing_can_be_left_of(queue: Queue, redis: Any) -> None:
    for name in "ab":
        await queue.indexes.announce(name, "me", most=9)
    await redis.zincrby("midstream:owner:me", -queue.indexes.longest_ms - 1, "a")
    await queue.indexes.announce("c", "me", most=9)
    assert [place.id for place in await queue.indexes.owned("me", before=None, limit=9)] == ["c", "b"]


async def test_an_owners_index_goes_with_the_last_that_it_names(queue: Queue, redis: Any) -> None:
    await queue.indexes.announce("a", "me", most=99)
    index = "midstream:owner:me"
    assert queue.indexes.longest_ms - 5_000 < await redis.pttl(index) <= queue.indexes.longest_ms
    await redis.pexpire(index, 60_000)
    await queue.indexes.announce("b", "me", most=99)
    assert queue.indexes.longest_ms - 5_000 < await redis.pttl(index)
    # A longer one stays: what another process' settings allow.
    await redis.pexpire(index, 2 * queue.indexes.longest_ms)
    await queue.indexes.announce("c", "me", most=99)
    assert await redis.pttl(index) > queue.indexes.longest_ms
    await redis.delete(index)
    await queue.indexes.drop_owner("me")
    assert await queue.indexes.owners() == []
    await queue.indexes.announce("d", "me", most=99)
    await queue.indexes.drop_owner("me")
    assert await queue.indexes.owners() == ["me"]
