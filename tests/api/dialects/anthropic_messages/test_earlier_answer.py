"""An earlier answer, block by block."""

from __future__ import annotations

from api.dialects.anthropic_messages.earlier_answer import EarlierAnswer


def test_blocks_are_found_again() -> None:
    said = EarlierAnswer(same=True)
    assert said.take(0, {"type": "thinking", "thinking": "Hm"}, "/b/0")
    assert said.take(1, {"type": "text", "text": "a", "citations": [{}]}, "/b/1")
    assert not said.take(2, {"type": "server_tool_use"}, "/b/2")
    assert said.take(3, {"type": "tool_use", "id": "t", "name": "f"}, "/b/3")
    message = said.message()
    assert said.places == {"content/0": "/b/1", "tool_calls/0": "/b/3", "reasoning/0": "/b/0"}
    assert said.cites
    assert message["content"] == [{"type": "text", "text": "a", "part": 1}]
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_an_answer_of_calls_alone_has_no_content() -> None:
    said = EarlierAnswer(same=True)
    said.take(0, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, "/b/0")
    assert said.message()["content"] is None
