"""Frames as pieces for single writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.viewing import sse_frames
from api.viewing.sse_frames import MAX_WRITE_BYTES, STREAM_HEADERS, chunk, join, slices


def test_a_chunk_has_its_length_in_hexadecimal() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_nothing_is_no_chunk_as_that_would_be_the_last() -> None:
    assert chunk(b"") == b""


@given(st.lists(st.integers(0, 900).map(bytes), max_size=12), st.booleans())
def test_long_frames_are_not_copied_and_are_written_in_slices(frames: list[bytes], chunked: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse_frames, "MAX_WRITE_BYTES", 60)
        patch.setattr(sse_frames, "MAX_SLICE_BYTES", 250)
        pieces = join(frames, chunked=chunked)
        bodies: list[bytes] = []
        for piece in pieces:
            if chunked and isinstance(piece, bytes):
                # What is written in slices gets its chunks' framing there.
                bodies.append(piece.split(b"\r\n", 1)[1][:-2] if piece else piece)
            else:
                bodies += slices(piece)
    assert b"".join(bodies) == b"".join(frames)
    assert max(map(len, bodies), default=0) < 60 + 250
    viewed = {id(piece.obj) for piece in pieces if isinstance(piece, memoryview)}
    assert viewed >= {id(frame) for frame in frames if len(frame) > 250}


@given(st.lists(st.integers(0, MAX_WRITE_BYTES * 2).map(bytes), max_size=12))
def test_pieces_say_what_the_frames_say_and_are_as_few_as_may_be(frames: list[bytes]) -> None:
    pieces = join(frames, chunked=False)
    assert b"".join(pieces) == b"".join(frames)
    assert all(isinstance(piece, bytes) for piece in pieces)
    assert all(len(piece) >= MAX_WRITE_BYTES for piece in pieces[:-1])


def test_each_piece_is_one_chunk() -> None:
    frames = [b"a" * MAX_WRITE_BYTES, b"b", b"c"]
    assert join(frames, chunked=True) == [chunk(frames[0]), chunk(b"bc")]


@pytest.mark.parametrize("name", [b"content-type", b"cache-control", b"x-accel-buffering"])
def test_no_proxy_may_hold_or_change_a_stream(name: bytes) -> None:
    assert dict(STREAM_HEADERS)[name] in (b"text/event-stream; charset=utf-8", b"no-store, no-transform", b"no")
