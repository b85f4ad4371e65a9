"""Frames as pieces for single writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.viewing.sse_frames import MAX_WRITE_BYTES, STREAM_HEADERS, chunk, join


def test_a_chunk_has_its_length_in_hexadecimal() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_nothing_is_no_chunk_as_that_would_be_the_last() -> None:
    assert chunk(b"") == b""


@given(st.lists(st.integers(0, MAX_WRITE_BYTES * 2).map(bytes), max_size=12))
def test_pieces_say_what_the_frames_say_and_are_as_few_as_may_be(frames: list[bytes]) -> None:
    pieces = join(frames, chunked=False)
    assert b"".join(pieces) == b"".join(frames)
    assert all(len(piece) >= MAX_WRITE_BYTES for piece in pieces[:-1])


def test_each_piece_is_one_chunk() -> None:
    frames = [b"a" * MAX_WRITE_BYTES, b"b", b"c"]
    assert join(frames, chunked=True) == [chunk(frames[0]), chunk(b"bc")]


@pytest.mark.parametrize("name", [b"content-type", b"cache-control", b"x-accel-buffering"])
def test_no_proxy_may_hold_or_change_a_stream(name: bytes) -> None:
    assert dict(STREAM_HEADERS)[name] in (b"text/event-stream; charset=utf-8", b"no-store, no-transform", b"no")
