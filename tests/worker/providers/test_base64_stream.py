"""Base64 in pieces that were each encoded alone: one text, whatever the pieces."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.providers.base64_stream import Base64Stream


def joined(pieces: list[str]) -> str:
    stream = Base64Stream()
    return "".join(map(stream.feed, pieces)) + stream.finish()


@given(st.lists(st.binary(max_size=9)))
def test_pieces_that_were_encoded_alone_are_one_text(pieces: list[bytes]) -> None:
    said = joined([base64.b64encode(piece).decode() for piece in pieces])
    assert said == base64.b64encode(b"".join(pieces)).decode()


@given(st.lists(st.binary(max_size=5)), st.data())
def test_they_may_be_cut_anywhere_on_their_way(pieces: list[bytes], data: st.DataObject) -> None:
    text = "".join(base64.b64encode(piece).decode() for piece in pieces)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    cuts = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert base64.b64decode(joined(cuts), validate=True) == b"".join(pieces)


def test_what_can_be_said_is_said_at_once() -> None:
    stream = Base64Stream()
    assert stream.feed("aGVs") == "aGVs"
    assert stream.feed("bG8") == ""
    assert stream.feed("=") == ""
    assert stream.finish() == "bG8="
    assert stream.finish() == ""


@pytest.mark.parametrize("text", ["?!?!", "a=bc", "====", "é€éx"])
def test_what_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Base64Stream().feed(text)


@pytest.mark.parametrize("text", ["a", "aG", "aGV", "aGVsb"])
def test_a_piece_that_was_cut_is_an_error_at_the_end(text: str) -> None:
    stream = Base64Stream()
    stream.feed(text)
    with pytest.raises(ValueError, match="cut"):
        stream.finish()
