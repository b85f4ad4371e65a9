"""Counts are noted when they change, once in their time, and again before they count no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError

from api.counting import counter as module
from api.counting.counter import Counter
from api.counting.viewer_count import GenerationViewers, ViewerCount
from shared.generations.viewer_counts import OtherNodes, ViewerCounts
from tests.api.harness import until


class Redis(ViewerCounts):
    """What is noted, and whether Redis answers."""

    def __init__(self) -> None:
        self.life_s = 0.6
        self.notes: list[dict[str, int]] = []
        self.tells: list[Sequence[str]] = []
        self.away = False

    async def note(self, node: str, counts: Mapping[str, int], tell: Sequence[str] = ()) -> list[OtherNodes]:
        if self.away:
            raise ConnectionError
        self.notes.append(dict(counts))
        self.tells.append(tell)
        return [OtherNodes(5, 100)] * len(counts)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_S", 0.1)
    monkeypatch.setattr(module, "TICK_S", 0.01)


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def dropped() -> list[ViewerCount]:
    return []


@pytest.fixture
async def counter(redis: Redis, dropped: list[ViewerCount]) -> AsyncIterator[Counter[ViewerCount]]:
    async def noted(count: ViewerCount, before: int) -> None:
        assert count.others == 5

    subject = Counter(redis, "me", noted, dropped.append)
    task = asyncio.create_task(subject.run())
    yield subject
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def a_count(here: int, key: str = "a") -> ViewerCount:
    count = ViewerCount(key)
    count.here = here
    return count


async def test_what_changes_at_once_is_one_note_and_so_are_all_counts(
    counter: Counter[ViewerCount], redis: Redis
) -> None:
    one, other = a_count(1, "a"), a_count(7, "b")
    for _ in range(9):
        counter.changed(one)
        one.here += 1
    counter.changed(other)
    await until(lambda: redis.notes, "a note")
    assert redis.notes[0] == {"a": 10, "b": 7}


async def test_it_is_noted_again_before_it_counts_no_more(counter: Counter[ViewerCount], redis: Redis) -> None:
    counter.changed(a_count(2))
    await until(lambda: len(redis.notes) == 4, "renewals")
    assert redis.notes == [{"a": 2}] * 4


async def test_the_last_that_leaves_is_noted_and_it_costs_nothing_more(
    counter: Counter[ViewerCount], redis: Redis, dropped: list[ViewerCount]
) -> None:
    count = a_count(1)
    counter.changed(count)
    await until(lambda: redis.notes, "a note")
    count.here = 0
    counter.changed(count)
    await until(lambda: dropped, "the end")
    assert redis.notes == [{"a": 1}, {"a": 0}]
    assert count not in counter
    await asyncio.sleep(0.5)
    assert len(redis.notes) == 2


async def test_what_is_not_taken_is_noted_once_redis_is_back(
    counter: Counter[ViewerCount], redis: Redis, dropped: list[ViewerCount]
) -> None:
    stays, leaves = a_count(3, "stays"), a_count(1, "leaves")
    redis.away = True
    counter.changed(stays)
    counter.changed(leaves)
    await asyncio.sleep(0.1)
    leaves.here = 0
    # Nothing is kept of what is over in Redis by itself.
    await until(lambda: dropped == [leaves], "that it is forgotten")
    redis.away = False
    await until(lambda: redis.notes, "a note")
    assert redis.notes[0] == {"stays": 3}


async def test_who_asks_is_told_of_by_name_and_the_others_are_read_all_the_time(redis: Redis) -> None:
    class Viewer:
        def offer(self, frame: bytes) -> bool:
            return True

    async def noted(count: GenerationViewers, before: int) -> None:
        """Nothing more."""

    subject: Counter[GenerationViewers] = Counter(redis, "me", noted, lambda _: None)
    asked, other = GenerationViewers("gen_a", "a"), GenerationViewers("gen_b", "b")
    asked.here = other.here = 1
    asked.askers[Viewer()] = None
    other.after_ms = 1
    task = asyncio.create_task(subject.run())
    subject.changed(asked)
    subject.changed(other)
    await until(lambda: len(redis.notes) > 4, "looks")
    task.cancel()
    assert all(tell == ["gen_a"] for tell in redis.tells)
    assert sum("b" in note for note in redis.notes) < len(redis.notes)


async def test_a_node_that_ends_notes_all_at_once(counter: Counter[ViewerCount], redis: Redis) -> None:
    count = a_count(1)
    counter.changed(count)
    await until(lambda: redis.notes, "a note")
    count.here = 0
    counter.changed(count)
    await counter.flush()
    assert redis.notes == [{"a": 1}, {"a": 0}]
