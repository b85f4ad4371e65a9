"""The event-stream decoder against a plain reading of the specification, and cut in every way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import EventTooLargeError
from shared.sse_decoder import ServerSentEvent, SseDecoder


def reference(stream: bytes) -> list[ServerSentEvent]:
    """WHATWG HTML 9.2.6 word for word: decode, split into lines, interpret each, over a whole stream."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    events: list[ServerSentEvent] = []
    data = event_type = last_id = ""
    for line in lines:
        if line == "":
            if data:
                events.append(ServerSentEvent(event_type or "message", data.removesuffix("\n").encode(), last_id))
            data = event_type = ""
            continue
        field, colon, value = line.partition(":")
        if colon and not field:
            continue
        value = value.removeprefix(" ")
        if field == "event":
            event_type = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
    return events


def decoded(*chunks: bytes) -> list[ServerSentEvent]:
    decoder = SseDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    # The bytes of an invalid sequence stay as they came; the reference has replaced them.
    return [ServerSentEvent(event.event, event.data.decode("utf-8", "replace").encode(), event.id) for event in events]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:stop] for start, stop in pairwise(edges)]


_TOKENS = [
    *(
        b"data",
        b"event",
        b"id",
        b"retry",
        b"dat",
        b":",
        b": ",
        b" ",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\0",
        b"x",
        b"1000",
        b"{}",
        "é😀\u2028".encode(),
        b"\xff",
        b"\xf0\x9f",
        b"data: {}\n\n",
    ),
]
streams = st.lists(st.sampled_from(_TOKENS), max_size=40).map(b"".join)


@given(stream=streams, places=st.lists(st.integers(0, 400), max_size=12))
def test_reads_what_the_specification_reads_however_it_is_cut(stream: bytes, places: list[int]) -> None:
    assert decoded(stream) == reference(stream)
    assert decoded(*cut(stream, places)) == reference(stream)
    assert decoded(*(stream[i : i + 1] for i in range(len(stream)))) == reference(stream)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [("message", b"a", "")]),
        (b"data: a", []),
        (b"data: a\n", []),
        (b"data\n\n", [("message", b"", "")]),
        (b"data:a\ndata:  b\n\n", [("message", b"a\n b", "")]),
        (b"event: tick\ndata: a\n\ndata: b\n\n", [("tick", b"a", ""), ("message", b"b", "")]),
        (b"event: tick\n\ndata: b\n\n", [("message", b"b", "")]),
        (b": ping\n\n:\n\ndata: a\r\rdata: b\r\n\r\n", [("message", b"a", ""), ("message", b"b", "")]),
        (
            b"id: 1-0\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [("message", b"a", "1-0"), ("message", b"b", "1-0"), ("message", b"c", "")],
        ),
        (b"id: 1\0\ndata: a\n\n", [("message", b"a", "")]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", b"a", "")]),
    ],
)
def test_each_rule(stream: bytes, expected: list[tuple[str, bytes, str]]) -> None:
    assert [(event.event, event.data, event.id) for event in decoded(stream)] == expected


def test_a_cr_ends_the_line_without_waiting_for_what_follows() -> None:
    decoder = SseDecoder()
    assert [event.data for event in decoder.feed(b"data: a\r\r")] == [b"a"]
    assert decoder.feed(b"\ndata: b\r") == []
    assert [event.data for event in decoder.feed(b"\n\r\n")] == [b"b"]


def test_what_is_left_at_the_end_is_known_and_not_dispatched() -> None:
    decoder = SseDecoder()
    decoder.feed(b"id: 7\ndata: a\n\nretry: 250\n\nid: 8\ndata: ha")
    assert decoder.unfinished == b"id: 8\ndata: ha"
    assert decoder.last_event_id == "7"
    assert decoder.retry == 250


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\nevent: e\ndata: b", [("e", b"b")]),
        (b"event: e\r\ndata: b\r\n", [("e", b"b")]),
        (b"event: e\rdata: b\r", [("e", b"b")]),
        (b"data: b\ndata: c\n", [("message", b"b\nc")]),
        (b"data:b", [("message", b"b")]),
        (b"\xef\xbb\xbfdata: b", [("message", b"b")]),
        (b"data: a\n\n", []),
        (b"data: a\n\n: bye", []),
        (b"event: e\n", []),
        (b"dat", []),
        (b"", []),
    ],
)
def test_what_only_lacks_its_blank_line_is_given_to_who_asks(stream: bytes, expected: list[tuple[str, bytes]]) -> None:
    decoder = SseDecoder()
    decoder.feed(stream)
    assert [(event.event, event.data) for event in decoder.last()] == expected


@pytest.mark.parametrize("text", [b"", b"1e3", b"-1", b"  5", b"9" * 5000, "\u0663".encode()])
def test_a_retry_that_is_not_digits_is_ignored(text: bytes) -> None:
    decoder = SseDecoder()
    decoder.feed(b"retry: 5\n\nretry:" + text + b"\n\n")
    assert decoder.retry == 5


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_one_event_is_bounded(size: int) -> None:
    def read(stream: bytes) -> int:
        decoder = SseDecoder(max_event=1000)
        return sum(len(decoder.feed(stream[start : start + size])) for start in range(0, len(stream), size))

    assert read((b"data: " + b"x" * 994 + b"\n\n") * 2) == 2
    with pytest.raises(EventTooLargeError, match="larger than 1000 bytes"):
        read(b"data: " + b"x" * 995 + b"\n\n")


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    decoder = SseDecoder()
    stream = b"data: " + b"x" * 8_000_000 + b"\n\n"
    events = [event for start in range(0, len(stream), 64) for event in decoder.feed(stream[start : start + 64])]
    assert [len(event.data) for event in events] == [8_000_000]
