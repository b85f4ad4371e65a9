"""A viewer: what it writes, in which order, and when it stops."""

from __future__ import annotations

import asyncio

import pytest

from api.viewing.dialect import Subject
from api.viewing.known_log import KnownLog
from api.viewing.resume import ResumePoint
from api.viewing.sse_frames import COMMENT
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.config.settings import Settings
from shared.log.events import EventId
from tests.api.viewing.framers import native as framed
from tests.api.viewing.framers import numbered, raw
from tests.api.viewing.stand_ins import Home, PlainDialect, Wire

native = PlainDialect()


@pytest.fixture
async def tail() -> Tail:
    """A tail that hears of no Redis: a test puts events into it."""
    known = KnownLog()
    known.loaded = True
    tail = Tail(Subject("gen_a"), known, native)
    tail.listen()
    return tail


def put(known: KnownLog, *ids: tuple[int, int], end: bool = False) -> bytes:
    """Events come; what they are on the wire."""
    entries = [raw(*event_id) for event_id in ids]
    if end:
        entries.append(raw(ids[-1][0], ids[-1][1] + 1, "completed"))
    known.extend(numbered(*entries))
    known.tell()
    return framed(*entries)


def viewing(wire: Wire, tail: Tail, cursor: EventId | None = None, home: Home | None = None) -> Viewer:
    viewer = Viewer(wire, home or Home(), native)
    viewer.follow(tail, ResumePoint(cursor) if cursor else ResumePoint())
    return viewer


async def settled() -> None:
    """Let what is due happen."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_has_what_is_there_and_what_comes_and_then_the_end(tail: Tail) -> None:
    there = put(tail.known, (5, 0), (5, 1))
    wire, home = Wire(), Home()
    viewer = viewing(wire, tail, home=home)
    assert wire.written == native.opening() + there
    more = put(tail.known, (5, 2), end=True)
    await settled()
    assert wire.written == native.opening() + there + more
    assert wire.ended
    assert viewer.over
    assert home.left == [viewer]


async def test_it_goes_on_after_its_cursor(tail: Tail) -> None:
    put(tail.known, (5, 0), (5, 1))
    rest = put(tail.known, (5, 2))
    wire = Wire()
    viewing(wire, tail, EventId(5, 1))
    assert wire.written == native.opening() + rest


async def test_a_full_connection_is_given_nothing_until_it_has_room(tail: Tail) -> None:
    wire = Wire()
    viewer = viewing(wire, tail)
    wire.full = True
    events = put(tail.known, (5, 0), (5, 1))
    await settled()
    assert wire.written == native.opening()
    wire.full = False
    viewer.advance()
    assert wire.written == native.opening() + events


async def test_what_its_cursor_never_was_starts_over_and_says_so(tail: Tail) -> None:
    events = put(tail.known, (5, 0))
    wire = Wire()
    viewing(wire, tail, EventId(4, 7))
    assert wire.written == native.opening() + native.reset("unknown_cursor") + events


async def test_a_drain_is_told_and_ends_it_before_what_comes_later(tail: Tail) -> None:
    events = put(tail.known, (5, 0))
    wire = Wire()
    viewer = viewing(wire, tail)
    viewer.drain()
    put(tail.known, (5, 1))
    await settled()
    assert wire.written == native.opening() + events + native.drain
    assert wire.ended


async def test_who_reads_nothing_for_long_is_cut_and_who_reads_a_little_is_not(tail: Tail) -> None:
    home = Home(Settings(viewer_stall=10, heartbeat=1_000))
    now = asyncio.get_running_loop().time()
    slow, stuck = Wire(), Wire()
    viewers = [viewing(wire, tail, home=home) for wire in (slow, stuck)]
    put(tail.known, *((5, seq) for seq in range(50)))
    await settled()
    slow.full = stuck.full = True
    slow.backlog = stuck.backlog = 500
    for viewer in viewers:
        viewer.tick(now)
    slow.backlog = 400
    for viewer in viewers:
        viewer.tick(now + 9)
        viewer.tick(now + 11)
    assert (slow.aborted, stuck.aborted) == (False, True)
    assert home.left == [viewers[1]]


async def test_silence_is_filled_with_heartbeats_unless_the_connection_is_full(tail: Tail) -> None:
    home, wire = Home(Settings(heartbeat=5)), Wire()
    now = asyncio.get_running_loop().time()
    viewer = viewing(wire, tail, home=home)
    viewer.tick(now + 4)
    assert wire.written == native.opening()
    wire.full = True
    viewer.tick(now + 6)
    wire.full = False
    assert wire.written == native.opening()
    viewer.tick(now + 6)
    assert wire.written == native.opening() + native.heartbeat


class PingDialect(PlainDialect):
    """Its heartbeats are events that its clients read."""

    heartbeat = b"event: ping\ndata: {}\n\n"


@pytest.mark.parametrize(("number", "beat"), [(0, COMMENT), (3, PingDialect.heartbeat), (None, PingDialect.heartbeat)])
async def test_before_a_dialects_first_event_a_heartbeat_is_a_comment(number: int | None, beat: bytes) -> None:
    """Clients of Messages know a `ping` after `message_start` only; who resumes has had that."""
    wire, known = Wire(), KnownLog()  # which Redis has not been read into yet
    tail = Tail(Subject("gen_a"), known, PingDialect())
    tail.listen()
    start = ResumePoint(number=number)
    viewer = Viewer(wire, Home(Settings(heartbeat=5)), PingDialect(), b"", start)
    now = asyncio.get_running_loop().time()
    viewer.tick(now + 6)
    viewer.follow(tail, start)
    viewer.tick(now + 12)
    assert wire.written == beat + native.opening() + beat
    known.loaded = True
    put(known, *((5, seq) for seq in range(5)))
    await settled()
    viewer.tick(now + 18)
    assert wire.written.endswith(PingDialect.heartbeat)


@pytest.mark.parametrize(("number", "whole"), [(3, True), (4, False)])
async def test_who_has_had_more_than_there_is_at_the_end_is_broken_off(tail: Tail, number: int, whole: bool) -> None:
    """Redis lost for good what it was told: it waits as long as that may come, and is not told that this is all."""
    wire = Wire()
    viewer = Viewer(wire, Home(), native)
    put(tail.known, (5, 0))
    viewer.follow(tail, ResumePoint(number=number))
    await settled()
    assert not viewer.over
    put(tail.known, (5, 1), end=True)
    await settled()
    assert viewer.over
    assert wire.ended == whole


@pytest.mark.parametrize("chunked", [True, False])
async def test_what_is_revoked_ends_at_once_and_never_as_if_it_were_whole(tail: Tail, chunked: bool) -> None:
    put(tail.known, (5, 0))
    wire, home = Wire(chunked=chunked), Home()
    viewer = viewing(wire, tail, home=home)
    written = wire.written
    viewer.revoke()
    put(tail.known, (5, 1), end=True)
    await settled()
    assert (wire.aborted, wire.broken_off) == (chunked, not chunked)
    assert (wire.written, wire.ended, home.left) == (written, False, [viewer])


async def test_what_is_reset_ends_at_once(tail: Tail) -> None:
    put(tail.known, (5, 0))
    wire, home = Wire(), Home()
    viewer = viewing(wire, tail, home=home)
    written = wire.written
    viewer.reset()
    put(tail.known, (5, 1), end=True)
    await settled()
    assert (wire.was_reset, wire.written, wire.ended, home.left) == (True, written, False, [viewer])


async def test_what_it_is_offered_is_between_its_frames_or_left_out(tail: Tail) -> None:
    """It waits nowhere: a connection that is full, or has its beginning to come, has room for no more."""
    frame = native.viewers(3)
    assert frame == b'event: viewers\ndata: {"viewers":3}\n\n'
    wire = Wire()
    wire.full = True
    viewer = viewing(wire, tail)
    there = put(tail.known, (5, 0))
    await settled()
    assert not viewer.offer(frame)
    wire.full = False
    assert not viewer.offer(frame)
    viewer.advance()
    assert viewer.offer(frame)
    more = put(tail.known, (5, 1), end=True)
    await settled()
    assert wire.written == native.opening() + there + frame + more
    assert not viewer.offer(frame)
    assert wire.ended
