"""The client's decoder against a plain reading of the specification, and against the worker's, cut in every way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream_client.sse_decoder import EventTooLongError, ServerSentEvent, SseDecoder
from shared import sse_decoder as workers

TOKENS = [
    *(b"data", b"event", b"id", b"retry", b"dat", b":", b": ", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"),
    *(b"\xef\xbb\xbf", b"\0", b"x", b"1000", b"{}", "é😀\u2028\u0085".encode(), b"\xff", b"\xf0\x9f"),
    *(b"data: {}\n\n", b"id: 1-0\ndata: a\n\n"),
]
streams = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)


def decoded(*chunks: bytes) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:stop] for start, stop in pairwise(edges)]


def reference(stream: bytes) -> list[ServerSentEvent]:
    """WHATWG HTML 9.2.6 over a whole stream, but for `id`, which is of its own block."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    found: list[ServerSentEvent] = []
    data = event_type = ""
    own: str | None = None
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        if line == "":
            if data:
                found.append(ServerSentEvent(event_type or "message", data.removesuffix("\n"), own))
            data, event_type, own = "", "", None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event_type = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            own = value or None
    return found


@given(stream=streams, places=st.lists(st.integers(0, 400), max_size=12))
def test_any_chunking_gives_the_same_events(stream: bytes, places: list[int]) -> None:
    # What follows a CR shows that it ends a line.
    stream += b":"
    wanted = reference(stream)
    assert decoded(stream) == wanted
    assert decoded(*cut(stream, places)) == wanted
    assert decoded(*(stream[i : i + 1] for i in range(len(stream)))) == wanted


@given(stream=streams)
def test_both_decoders_of_this_repository_read_the_same(stream: bytes) -> None:
    stream += b":"
    mine, other = SseDecoder(), workers.SseDecoder()
    events = list(mine.feed(stream))
    theirs = other.feed(stream)
    assert [(event.event, event.data) for event in events] == [
        (event.event, event.data.decode("utf-8", "replace")) for event in theirs
    ]
    assert mine.retry == other.retry


def test_an_event_has_an_id_only_where_its_own_block_has_one() -> None:
    stream = b"id: 1-0\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\0\ndata: d\n\n"
    assert [event.id for event in decoded(stream)] == ["1-0", None, None, None]


def test_half_a_block_has_no_effect() -> None:
    decoder = SseDecoder()
    assert list(decoder.feed(b"retry: 5\nid: 1-0\ndata: a\n")) == []
    assert decoder.retry is None
    assert list(decoder.feed(b"\n")) == [ServerSentEvent("message", "a", "1-0")]
    assert decoder.retry == 5


@pytest.mark.parametrize("value", [b"+5", b"1_0", b"-1", "٣".encode(), b"", b"9" * 16])
def test_retry_is_ascii_digits(value: bytes) -> None:
    decoder = SseDecoder()
    assert list(decoder.feed(b"retry: " + value + b"\n\n")) == []
    assert decoder.retry is None


@pytest.mark.parametrize("stream", [b"data: 123456\n\n", b"data: 12345", b"data: 1\ndata: 2\n", b":" * 11])
def test_an_event_that_is_too_long(stream: bytes) -> None:
    decoder = SseDecoder(max_event=10)
    with pytest.raises(EventTooLongError):
        list(decoder.feed(stream))


def test_the_bound_is_for_each_event() -> None:
    decoder = SseDecoder(max_event=10)
    assert len([event for _ in range(9) for event in decoder.feed(b"data: 1234\n\n")]) == 9


def test_a_long_event_in_many_pieces_is_not_read_again_and_again() -> None:
    decoder = SseDecoder()
    pieces = [b"x" * 1000] * 50_000
    (event,) = [e for piece in [b"data: ", *pieces, b"\n\n"] for e in decoder.feed(piece)]
    assert len(event.data) == 50_000_000
