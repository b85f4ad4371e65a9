"""A tail in any dialect: viewers get what its framer makes of the log, whatever number of frames an event has."""

from __future__ import annotations

import asyncio

import pytest

from api.dialects.native.events import NativeDialect
from api.viewing import sse_frames
from api.viewing.dialect import Dialect
from api.viewing.known_log import KnownLog
from api.viewing.resume import ResumePoint
from api.viewing.sse_frames import chunk
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.config.settings import Settings
from shared.log.events import ORIGIN, EventId
from tests.api.viewing.framers import SilentDialect, UnevenDialect, numbered, raw


class Wire:
    """A connection that has room until it is made full, and keeps what it is given."""

    def __init__(self, *, chunked: bool) -> None:
        self.chunked, self.full = chunked, False
        self.writes: list[bytes] = []
        self.shared: list[object] = []
        """What was written in slices."""
        self.ended = False

    def write(self, body: bytes, /) -> None:
        assert body, "nothing is no write"
        assert not self.ended
        self.writes.append(body)

    def write_slices(self, frame: memoryview, /) -> None:
        self.shared.append(frame.obj)
        for piece in sse_frames.slices(frame):
            self.write(chunk(piece) if self.chunked else piece)

    def unsent(self) -> int:
        return 0

    def end(self) -> None:
        self.ended = True

    def abort(self) -> None: ...

    @property
    def body(self) -> bytes:
        """What was written, without the framing of chunks."""
        if not self.chunked:
            return b"".join(self.writes)
        body, rest = b"", b"".join(self.writes)
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            assert int(size, 16) > 0, "the last chunk, before the end"
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body


class House:
    """Where viewers are at home."""

    def __init__(self, dialect: Dialect) -> None:
        self.settings, self.dialect, self.catch_up_s = Settings(), dialect, 3.0

    def leave(self, viewer: Viewer, tail: Tail | None) -> None: ...


def watch(tail: Tail, dialect: Dialect, cursor: EventId = ORIGIN, *, chunked: bool = True) -> Wire:
    """A viewer that follows from there; what it is sent first is left out."""
    wire = Wire(chunked=chunked)
    viewer = Viewer(wire, House(dialect), b"")
    viewer.advance()
    wire.writes.clear()
    viewer.follow(tail, ResumePoint(cursor))
    return wire


async def rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


LOG = [raw(10, 0, "attempt"), *(raw(10, seq, "delta", b"%d" % seq) for seq in range(1, 9)), raw(10, 9, "completed")]


@pytest.mark.parametrize("longest", [sse_frames.MAX_SLICE_BYTES, 100, 20])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("dialect", [NativeDialect(), UnevenDialect(), SilentDialect()])
async def test_each_viewer_gets_what_its_dialect_makes_of_the_log(
    dialect: Dialect, chunked: bool, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every cursor, live and joined late, event by event, in single writes or in slices."""
    monkeypatch.setattr(sse_frames, "MAX_SLICE_BYTES", longest)
    known = KnownLog()
    tail = Tail("gen_x", known, dialect)
    known.loaded = True
    viewers = [(0, watch(tail, dialect, chunked=chunked))]
    for count, entry in enumerate(LOG, 1):
        if entry[1][0] == b"delta":
            assert known.take_delta(b"10-%d 10-%d\ndelta\n%b" % (count - 2, count - 1, entry[1][1]))
        else:
            known.extend(numbered(entry))
            known.tell()
        viewers.append((count, watch(tail, dialect, EventId(10, count - 1), chunked=chunked)))
        await rounds()
    for count, wire in viewers:
        assert wire.body == b"".join(map(dialect.frame, LOG[count:]))
        assert wire.ended


async def test_viewers_share_the_bytes_of_a_long_event() -> None:
    """However far each of them is."""
    known = KnownLog()
    tail = Tail("gen_x", known, NativeDialect())
    known.loaded = True
    known.extend(numbered(*LOG[:4]))
    live = [watch(tail, NativeDialect(), chunked=chunked) for chunked in (True, False)]
    long = raw(10, 4, "delta", b"x" * 1_000_000)
    known.extend(numbered(long, raw(10, 5), raw(10, 6, "completed")))
    known.tell()
    await rounds()
    late = [watch(tail, NativeDialect(), EventId(10, seq)) for seq in range(4)]
    assert {id(frame) for wire in (*live, *late) for frame in wire.shared} == {id(live[0].shared[0])}
    assert [len(wire.shared) for wire in (*live, *late)] == [1] * 6
    assert max(len(piece) for wire in (*live, *late) for piece in wire.writes) < sse_frames.MAX_SLICE_BYTES + 100
    for wire in (*live, late[0]):
        assert NativeDialect().frame(long) in wire.body


async def test_several_dialects_of_one_log() -> None:
    """The log is known once, and each tail frames it for its own viewers."""
    known = KnownLog()
    dialects: list[Dialect] = [NativeDialect(), UnevenDialect(), SilentDialect()]
    tails = [Tail("gen_x", known, dialect) for dialect in dialects]
    known.loaded = True
    wires = [watch(tail, dialect) for tail, dialect in zip(tails, dialects, strict=True)]
    known.extend(numbered(*LOG[:6]))
    known.tell()
    await rounds()
    # The log goes another way after its third event: each starts over, in the words of its dialect.
    others = [*LOG[:3], raw(20, 0, "attempt"), raw(20, 1, "completed")]
    known.replace(others)
    known.tell()
    await rounds()
    for dialect, wire in zip(dialects, wires, strict=True):
        before, after = b"".join(map(dialect.frame, LOG[:6])), b"".join(map(dialect.frame, others))
        assert wire.body == before + dialect.reset("unknown_cursor") + after
        assert wire.ended


async def test_a_viewer_without_room_gets_all_at_once_when_it_has_some() -> None:
    dialect = UnevenDialect()
    known = KnownLog()
    tail = Tail("gen_x", known, dialect)
    known.loaded = True
    wire = Wire(chunked=True)
    viewer = Viewer(wire, House(dialect), b"")
    viewer.follow(tail, ResumePoint())
    wire.writes.clear()
    known.extend(numbered(LOG[0]))
    known.tell()
    await rounds()
    wire.full = True
    for seq in range(1, 9):
        known.take_delta(b"10-%d 10-%d\ndelta\n%d" % (seq - 1, seq, seq))
        await rounds()
    wire.full = False
    viewer.advance()
    assert wire.writes[1:] == [chunk(b"".join(map(dialect.frame, LOG[1:9])))]


async def test_the_place_in_line_is_told_until_there_is_an_event() -> None:
    dialect = NativeDialect()
    known = KnownLog()
    tail = Tail("gen_x", known, dialect)
    wire = watch(tail, dialect)
    known.loaded = True
    for position in (2, 2, 1):
        known.wait(position)
        await rounds()
    known.extend(numbered(LOG[0]))
    known.tell()
    await rounds()
    known.end()
    await rounds()
    assert wire.body == dialect.queued("gen_x", 2) + dialect.queued("gen_x", 1) + dialect.frame(LOG[0])
    assert wire.ended
