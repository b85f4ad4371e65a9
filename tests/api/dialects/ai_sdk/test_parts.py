"""A part's chunks, from its start to its end."""

from __future__ import annotations

from api.dialects.ai_sdk.parts import SaidPart
from shared.log.events import Part, PartEnd
from tests.api.dialects.ai_sdk.logs import data


def test_a_text_ends_once() -> None:
    part = SaidPart("text", "4")
    assert data(part.begin()) == [{"type": "text-start", "id": "4"}]
    assert data(part.grow(b'"a"')) == [{"type": "text-delta", "id": "4", "delta": "a"}]
    assert part.grow(b'""') == ()
    assert data(part.end()) == [{"type": "text-end", "id": "4"}]
    assert part.end() == ()


def test_what_is_kept_is_put_together() -> None:
    part = SaidPart("tool_result", "4", keeps=True)
    assert part.begin() == ()
    assert [part.grow(piece) for piece in (b'"a\\n"', b'"b"')] == [(), ()]
    assert part.text == "a\nb"


def test_it_takes_what_events_say_of_it() -> None:
    part = SaidPart("reasoning", "0")
    part.take(Part(part=0, kind="reasoning", item_id="rs_1"))
    part.take(PartEnd(part=0, signature="s", provider="p"))
    assert (part.item_id, part.signature, part.provider, part.encrypted) == ("rs_1", "s", "p", None)
