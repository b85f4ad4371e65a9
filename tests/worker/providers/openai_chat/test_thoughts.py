"""Text and reasoning of a message, wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.openai_chat.chunk import ChunkDelta
from worker.providers.openai_chat.reasoning import Thought
from worker.providers.openai_chat.thoughts import is_text, texts_within, thoughts_of, thoughts_within


@pytest.mark.parametrize(
    ("fields", "texts", "unread"),
    [
        ({"reasoning_content": "Hm", "reasoning": "Hm"}, ["Hm"], []),
        ({"reasoning": {"effort": "low"}, "thinking": "Hm"}, ["Hm"], [{"reasoning": {"effort": "low"}}]),
        ({"reasoning_content": "", "reasoning_text": "Hm"}, ["Hm"], []),
        ({"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]}, ["Hm"], []),
        ({"reasoning_details": [5]}, [], [{"reasoning_details": [5]}]),
        ({"reasoning_opaque": {"a": 1}}, [], [{"reasoning_opaque": {"a": 1}}]),
        ({"reasoning_opaque": "b3A="}, [""], []),
        ({"content": "x"}, [], []),
    ],
)
def test_reasoning_beside_the_content(fields: dict[str, Any], texts: list[str], unread: list[Any]) -> None:
    thoughts, left = thoughts_of(ChunkDelta(**fields))
    assert ([thought.text for thought in thoughts], left) == (texts, unread)


def test_what_stands_in_a_content() -> None:
    content = [
        "a",
        {"type": "thinking", "thinking": ["H", "m"]},
        {"type": "text", "text": "b"},
        {"type": "x"},
        {"text": {}},
    ]
    assert list(texts_within(content)) == ["a", "b", ""]
    assert list(texts_within("c")) == ["c"]
    assert list(texts_within(None)) == []
    assert list(thoughts_within(None)) == list(thoughts_within("c")) == []
    assert [thought.text for thought in thoughts_within(content)] == ["H", "m"]
    assert all(isinstance(thought, Thought) for thought in thoughts_within(content))


@pytest.mark.parametrize(
    ("item", "text"), [("x", True), (5, True), ({"type": "text"}, True), ({"type": "image"}, False)]
)
def test_entries_that_are_text(item: Any, text: bool) -> None:
    assert is_text(item) is text
