"""Blocks and their frames."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from api.dialects.anthropic_messages.blocks import GROWTH_END, Block, frame, growth
from shared.log.events import Part


def test_a_frame_is_one_line_of_data() -> None:
    assert frame("ping", {"a": "\u2028\n"}) == b'event: ping\ndata: {"type":"ping","a":"\\u2028\\n"}\n\n'


def test_growth_takes_the_json_of_a_text() -> None:
    sent = growth("reasoning", 3) + b'"Hm"' + GROWTH_END
    assert sent == frame("content_block_delta", {"index": 3, "delta": {"type": "thinking_delta", "thinking": "Hm"}})


def test_what_waited_is_joined() -> None:
    block = Block(Part(part=0, kind="text"))
    block.begin(2)
    block.pieces = [Raw(b'"a"'), Raw(b'"\\n"'), {"type": "page_location"}, Raw(b'"b"')]
    texts = [growth("text", 2) + said + GROWTH_END for said in (b'"a\\n"', b'"b"')]
    citation = {"index": 2, "delta": {"type": "citations_delta", "citation": {"type": "page_location"}}}
    assert list(block.said()) == [texts[0], frame("content_block_delta", citation), texts[1]]
    assert list(block.said()) == []


@pytest.mark.parametrize(
    ("kind", "fields", "type_", "streams"),
    [
        ("text", {}, "text", True),
        ("refusal", {}, "text", True),
        ("reasoning", {}, "thinking", True),
        ("tool_call", {"call_id": "c", "name": "f", "executor": "client"}, "tool_use", True),
        ("tool_call", {"name": "f"}, None, False),
        ("tool_result", {}, "tool_result", False),
        ("file", {}, None, False),
    ],
)
def test_types(kind: Any, fields: dict[str, Any], type_: str | None, streams: bool) -> None:
    block = Block(Part(part=0, kind=kind, **fields))
    assert (block.type, block.streams) == (type_, streams)
