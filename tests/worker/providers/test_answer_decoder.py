"""How an answer is framed shows in its first byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import EventTooLargeError
from shared.sse_decoder import ServerSentEvent
from worker.providers.answer_decoder import AnswerDecoder

STREAM = (
    b'\xef\xbb\xbf\n\nevent: a\ndata: {"x":1}\n\n: alive\n\ndata: 2\n\n{"error":"y"}\n\nerror: {"z":1}\n\ndata: {"l":1}'
)
EVENTS = [("a", b'{"x":1}'), ("message", b"2"), ("message", b'{"error":"y"}'), ("error", b'{"z":1}')]


def read(decoder: AnswerDecoder, pieces: list[bytes]) -> list[tuple[str, bytes]]:
    events: list[ServerSentEvent] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return [(event.event, event.data) for event in events]


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_a_stream_is_read_whatever_its_cuts(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    decoder = AnswerDecoder()
    assert read(decoder, [STREAM[a:b] for a, b in pairwise(places)]) == EVENTS
    assert decoder.document is None
    assert decoder.unfinished == b'data: {"l":1}'
    assert [event.data for event in decoder.last()] == [b'{"l":1}']


@pytest.mark.parametrize("body", [b'{"a":\n\n1}', b"[1]", b"<html>", b' \r\n{"a":1}'])
def test_a_document_is_collected(body: bytes) -> None:
    decoder = AnswerDecoder()
    assert read(decoder, [body[i : i + 1] for i in range(len(body))]) == []
    assert decoder.document is not None
    assert bytes(decoder.document) == body.lstrip()


def test_bare_lines_before_a_stream_are_its_events() -> None:
    decoder = AnswerDecoder()
    assert read(decoder, [b'{"a":1}\n\ndata: {"b":2}\n\n', b"data: 3"]) == []
    assert [event.data for event in decoder.last()] == [b'{"a":1}', b'{"b":2}', b"3"]


def test_a_document_has_a_bound() -> None:
    decoder = AnswerDecoder(10)
    with pytest.raises(EventTooLargeError):
        read(decoder, [b"{" * 6, b"x" * 6])
