"""Frames in blocks give back what was added, from any position on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.viewing import frames, sse_frames
from api.viewing.frames import Frames


def _frame(number: int, size: int) -> bytes:
    return b"data: %d %b\n\n" % (number, b"x" * size)


@given(sizes=st.lists(st.integers(0, 400), max_size=60), data=st.data())
def test_every_position_reads_what_follows_it(sizes: list[int], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK_BYTES", 500)
        patch.setattr(sse_frames, "MAX_WRITE_BYTES", 1_200)
        made = [_frame(number, size) for number, size in enumerate(sizes)]
        held = Frames()
        for frame in made:
            held.add(frame)
        assert held.count == len(made)
        assert held.size == sum(map(len, made))
        start = position = data.draw(st.integers(0, len(made)))
        read = []
        while position < held.count:
            piece, end = held.read(position)
            assert piece == b"".join(made[position:end])
            # Enough for a write, unless there is no more; and not more than a block too many.
            longest = max(map(len, made))
            assert len(piece) >= 1_200 or end == held.count
            assert len(piece) < 1_200 + 2 * (500 + longest)
            read.append(piece)
            position = end
        assert b"".join(read) == b"".join(made[start:])


def test_a_long_frame_is_read_alone_and_never_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each viewer that stands before it at its own place would hold one of its own."""
    monkeypatch.setattr(frames, "WINDOW_BYTES", 1_000_000)
    long = sse_frames.MAX_SLICE_BYTES
    made = [_frame(number, size) for number, size in enumerate((10, 20, long, long, 30, 40))]
    held = Frames()
    for frame in made:
        held.add(frame)
    assert held.read(0) == (b"".join(made[:2]), 2)
    assert held.read(1) == (made[1], 2)
    for position in (2, 3):
        read, end = held.read(position)
        assert (read, end) == (made[position], position + 1)
        assert read is held.read(position)[0]
    assert held.read(4) == (b"".join(made[4:]), 6)


def test_nothing_is_read_at_the_end() -> None:
    held = Frames()
    assert held.read(0) == (b"", 0)
    held.add(_frame(0, 20_000))
    assert held.read(1) == (b"", 1)


def test_nothing_is_left_of_what_was_cleared() -> None:
    held = Frames()
    for number in range(3):
        held.add(_frame(number, 9_000))
    held.clear()
    assert (held.count, held.size, held.read(0)) == (0, 0, (b"", 0))
    held.add(_frame(7, 10))
    assert held.read(0) == (_frame(7, 10), 1)


@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=80), data=st.data())
def test_what_is_older_than_the_window_is_dropped_and_the_rest_is_where_it_was(
    sizes: list[int], data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "BLOCK_BYTES", 300)
        patch.setattr(frames, "WINDOW_BYTES", 1_000)
        made = [_frame(number, size) for number, size in enumerate(sizes)]
        held = Frames()
        for number, frame in enumerate(made, 1):
            held.add(frame)
            assert held.count == number
            here = made[held.first : number]
            assert held.size == sum(map(len, here))
            # The window, and less than a block with its longest frame at either end.
            assert sum(map(len, made[:number])) == held.size or held.size >= 1_000
            assert held.size < 1_000 + 2 * (300 + max(map(len, made)))
        position = data.draw(st.integers(held.first, held.count))
        assert held.read(position)[0] == b"".join(made[position : held.read(position)[1]])
        held.clear()
        assert (held.first, held.count, held.size) == (0, 0, 0)


def test_of_a_long_log_an_eighth_stays() -> None:
    held = Frames()
    for number in range(4_000):
        held.add(_frame(number, 1_000))
    assert 4_000_000 // 8 <= held.size < 4_100_000 // 8 + 2 * frames.BLOCK_BYTES
