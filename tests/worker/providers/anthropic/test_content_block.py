"""One content block: what begins it, what it holds, what of it is kept raw."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Delta, Part, PartEnd
from worker.providers.anthropic.content_block import block_of, held_citations, held_text, rest_of, text_of
from worker.providers.provider import ProviderEvent


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"type": "text"}, "text"),
        ({"type": "thinking"}, "reasoning"),
        ({"type": "redacted_thinking"}, "reasoning"),
        ({"type": "tool_use", "name": "x"}, "tool_call"),
        ({"type": "mcp_tool_result"}, "tool_result"),
        ({"type": "container_upload"}, "file"),
        ({"text": ""}, "text"),
        ({"type": None, "thinking": ""}, "reasoning"),
        ({"name": "x"}, "tool_call"),
        ({"type": "hologram", "text": "x"}, None),
        ({"type": 5}, None),
        ({}, None),
    ],
)
def test_what_a_block_is(content: dict[str, Any], kind: str | None) -> None:
    block = block_of(content)
    assert (None if block is None else block.kind) == kind


@pytest.mark.parametrize(
    ("texts", "fresh", "left"),
    [
        (["Hel", "lo", "!", "?"], ["", "", "!"], []),
        (["Hel", "p!"], ["", "Help!"], []),
        (["Hel"], [""], ["Hel"]),
        (["Hello"], [""], []),
        (["", "x"], ["", "x"], []),
    ],
)
def test_what_was_said_before_is_said_once(texts: list[str], fresh: list[str], left: list[str]) -> None:
    events: list[ProviderEvent] = []
    block = block_of({"type": "text"})
    assert block is not None
    block.begin(3, events)
    block.said = "Hello"
    assert [block.fresh(text) for text in texts if block.said] == fresh
    block.end(0, events)
    assert events == [
        Part(part=3, kind="text"),
        *(Delta(part=3, kind="text", delta=text) for text in left),
        PartEnd(part=3),
    ]


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (6, "6"), (0, "0"), (1.5, "1.5"), (True, ""), (None, ""), ({"a": 1}, ""), ([], "")]
)
def test_texts(value: Any, text: str) -> None:
    assert text_of(value) == text
    assert held_text("text", {"text": value}) == text


@pytest.mark.parametrize(
    ("value", "expected"), [([{"a": 1}, 5], [{"a": 1}]), (None, []), ({"a": 1}, []), ([], []), ("x", [])]
)
def test_citations(value: Any, expected: list[Any]) -> None:
    assert held_citations({"citations": value}) == expected


def test_what_does_not_fit_is_kept() -> None:
    assert rest_of("text", {"type": "text", "text": {"a": 1}, "citations": None, "new": 0}) == {
        "text": {"a": 1},
        "new": 0,
    }
    assert rest_of("text", {"type": "text", "text": ""}) == {}
    assert rest_of("tool_use", {"id": "a", "name": "x", "input": {"a": 1}, "caller": {"type": "direct"}}) == {}
