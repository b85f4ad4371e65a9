"""Parts as they grow, and how much of the content there is."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from api.dialects.openai_chat.parts import Length, SaidPart, begun
from shared.log.events import Part
from tests.api.dialects.openai_chat.logs import texts


@given(st.lists(texts, max_size=8), st.integers(1, 500))
def test_pieces_are_one_text(pieces: list[str], times: int) -> None:
    length = Length()
    part = SaidPart("reasoning")
    for piece in pieces * times:
        written = msgspec.json.encode(piece)
        length.add(written)
        part.pieces.append(written)
    assert part.text == "".join(pieces * times)
    assert length.count() == length.count() == len(part.text)


def test_what_is_sent_as_it_comes() -> None:
    length = Length()
    length.add(b'"abc"')
    text = begun(Part(part=0, kind="text"), length)
    assert (text.start, text.before, text.behind) == (3, b'{"content":', b"}")
    image, sound = (begun(Part(part=0, kind="file", media_type=kind), length) for kind in ("image/png", "audio/wav"))
    assert (image.before, image.keep is None) == (b"", False)
    assert (sound.before, sound.keep is None) == (b'{"audio":{"data":', True)
    assert begun(Part(part=0, kind="tool_result"), length).before == b""
    assert begun(Part(part=0, kind="file", url="https://e.com/a.mp3"), length).before == b""


def test_only_a_whole_object_is_one() -> None:
    for text, whole in (('"{}"', True), ('"{"', False), ('"12"', False), ('""', False), ('"[]"', False)):
        assert SaidPart("tool_call", pieces=[text.encode()]).is_object() is whole
    assert not SaidPart("tool_call", pieces=[b'"' + b"[" * 100_000 + b'"']).is_object()
