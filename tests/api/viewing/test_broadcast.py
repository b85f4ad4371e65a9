"""Followers are told in rounds, and what they write is joined once for all who are as far."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from api.viewing import broadcast
from api.viewing.broadcast import Broadcast
from api.viewing.frames import Frames
from api.viewing.known_log import KnownLog
from api.viewing.sse_frames import chunk
from tests.api.viewing.framers import native, raw


class Told:
    """A follower that notes what it is told, and takes the chunks that it is given."""

    def __init__(self, position: int | None = None) -> None:
        self.position = position
        self.chunks: list[bytes | None] = []
        self.rewound = self.was_cut = False

    def advance(self) -> None: ...

    def take(self, chunks: Mapping[int | None, bytes], end: int, now: float) -> None:
        self.chunks.append(chunks.get(self.position))
        self.position = end

    def cut(self) -> None:
        self.was_cut = True

    def rewind(self) -> None:
        self.rewound, self.position = True, 0


class Failing(Told):
    def take(self, chunks: Mapping[int | None, bytes], end: int, now: float) -> None:
        raise ZeroDivisionError


def added(frames: Frames, count: int, *, begin: int = 0) -> bytes:
    """What was added, on the wire."""
    entries = [raw(10, begin + seq) for seq in range(count)]
    for entry in entries:
        frames.add(native(entry))
    return native(*entries)


async def rounds() -> None:
    """Let those that are due happen."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_that_came_until_a_round_is_one_chunk_for_all() -> None:
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    followers = [Told(0) for _ in range(3)]
    told.followers.update(followers)
    for begin in (0, 1, 2):
        wire = added(frames, 1, begin=begin)
        told.wake()
    await rounds()
    expected = chunk(native(*(raw(10, seq) for seq in range(3))))
    assert [follower.chunks for follower in followers] == [[expected]] * 3
    assert followers[0].chunks[0] is followers[2].chunks[0]
    wire = added(frames, 1, begin=3)
    told.wake()
    await rounds()
    assert [follower.chunks[1:] for follower in followers] == [[chunk(wire)]] * 3


async def test_others_have_their_turn_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "VIEWERS_PER_ROUND", 2)
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    followers = [Told(0) for _ in range(5)]
    told.followers.update(followers)
    added(frames, 1)
    told.wake()
    turns = []
    while not all(follower.chunks for follower in followers):
        await asyncio.sleep(0)
        turns.append(sum(bool(follower.chunks) for follower in followers))
    assert turns == [2, 4, 5]


async def test_what_comes_within_a_round_is_told_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "VIEWERS_PER_ROUND", 1)
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    followers = [Told(0) for _ in range(3)]
    told.followers.update(followers)
    added(frames, 1)
    told.wake()
    await asyncio.sleep(0)
    added(frames, 1, begin=1)
    told.wake()
    for _ in range(12):
        await asyncio.sleep(0)
    first, second = (native(raw(10, seq)) for seq in range(2))
    # Who had its turn later had both at once.
    heard = [follower.chunks[0] for follower in followers]
    assert (heard.count(chunk(first)), heard.count(chunk(first + second))) == (1, 2)
    assert {len(follower.chunks) for follower in followers} == {2}, "a second round"


async def test_within_the_window_followers_are_told_once() -> None:
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.2)
    follower = Told(0)
    told.followers.add(follower)
    added(frames, 1)
    told.wake()
    await rounds()
    assert len(follower.chunks) == 1, "the first after a silence goes at once"
    for seq in range(1, 4):
        added(frames, 1, begin=seq)
        told.wake()
        await rounds()
    assert len(follower.chunks) == 1
    async with asyncio.timeout(5):
        while len(follower.chunks) == 1:
            await asyncio.sleep(0.01)
    assert follower.chunks[1] == chunk(native(*(raw(10, seq) for seq in range(1, 4))))


async def test_no_chunk_is_made_for_an_end() -> None:
    """More than a write is due then, and each follower does it by itself."""
    frames = Frames()
    known = KnownLog()
    told = Broadcast(known, frames, 0.0)
    follower = Told(0)
    told.followers.add(follower)
    added(frames, 1)
    known.end()
    told.wake()
    await rounds()
    assert follower.chunks == [None]


async def test_where_nothing_is_new_there_is_no_chunk() -> None:
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    added(frames, 3)
    follower = Told(3)
    told.followers.add(follower)
    told.wake()
    await rounds()
    assert follower.chunks == [None]
    assert told.piece(3, chunked=True) == (b"", 3)


async def test_a_follower_that_fails_is_cut_and_the_others_are_told() -> None:
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    failing, other = Failing(0), Told(0)
    told.followers.update((failing, other))
    wire = added(frames, 1)
    told.wake()
    await rounds()
    assert failing.was_cut
    assert other.chunks == [chunk(wire)]


async def test_a_piece_reaches_to_the_newest_event() -> None:
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    first = added(frames, 2)
    assert told.piece(0, chunked=False) == (first, 2)
    assert told.piece(0, chunked=False)[0] is told.piece(0, chunked=False)[0]
    both = first + added(frames, 1, begin=2)
    assert told.piece(0, chunked=False) == (both, 3)
    assert told.piece(0, chunked=True) == (chunk(both), 3)


async def test_who_has_had_more_than_stays_starts_over() -> None:
    frames = Frames()
    told = Broadcast(KnownLog(), frames, 0.0)
    followers = [Told(0), Told(2), Told(3), Told(None)]
    told.followers.update(followers)
    added(frames, 3)
    old = told.piece(0, chunked=False)
    frames.clear()
    told.reset(2)
    assert [follower.rewound for follower in followers] == [False, False, True, False]
    others = [raw(20, seq) for seq in range(3)]
    for entry in others:
        frames.add(native(entry))
    # As many as before, and yet not what was joined then.
    assert told.piece(0, chunked=False) == (native(*others), 3)
    assert old != told.piece(0, chunked=False)
