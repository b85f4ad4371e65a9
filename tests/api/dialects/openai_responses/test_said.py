"""One part as it grows."""

from __future__ import annotations

import msgspec

from api.dialects.openai_responses.said import Said
from shared.log.events import Part


def test_its_text_is_what_its_deltas_are() -> None:
    said = Said("text")
    for delta in ('"a', "\u2028", "é\\", ""):
        said.grown += msgspec.json.encode(delta)[1:-1]
    assert said.text == '"a\u2028é\\'
    assert msgspec.json.decode(msgspec.json.encode({"text": said.raw})) == {"text": said.text}


def test_it_learns_what_is_given() -> None:
    said = Said("tool_call")
    said.learn(Part(part=0, kind="tool_call", call_id="call_1", name="look", executor="client"))
    said.learn(Part(part=0, kind="tool_call", name="see"))
    assert (said.call_id, said.name, said.executor, said.item_id) == ("call_1", "see", "client", None)
