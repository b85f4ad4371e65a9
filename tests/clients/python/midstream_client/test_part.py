"""One part: its shape is the snapshot's, from which it goes on too."""

from __future__ import annotations

from typing import Any

import pytest

from midstream_client.part import Part

PARTS: list[dict[str, Any]] = [
    {"kind": "text", "text": "a", "complete": True, "annotations": [{"url": "u"}], "annotation_protocol": "gemini"},
    {"kind": "reasoning", "text": "a", "complete": True, "signature": "s", "provider": "anthropic", "summary": True},
    {"kind": "tool_call", "complete": True, "arguments": {"a": ["é"]}, "call_id": "c", "name": "f"},
    {"kind": "tool_call", "complete": True, "arguments_text": "{'a'}", "arguments_error": "is not JSON"},
    {"kind": "file", "complete": True, "media_type": "image/png", "data": "iVBORw==", "size": 4},
    {"kind": "file", "complete": True, "url": "https://example.org/map.pdf"},
    {"kind": "text", "text": "", "complete": True},
]
EMPTY = {"text": None, "call_id": None, "name": None, "arguments": None}


@pytest.mark.parametrize("fields", PARTS)
def test_a_snapshot_comes_back_as_it_was(fields: dict[str, Any]) -> None:
    assert Part.of_snapshot(EMPTY | fields).fields(over=True) == EMPTY | fields


@pytest.mark.parametrize("text", ["NaN", "{", "[" * 100_000, "{} {}"])
def test_arguments_that_are_no_json_stay_as_they_came(text: str) -> None:
    part = Part("tool_call", 0)
    part.grow({"delta": text})
    assert part.fields(over=False) == {
        "kind": "tool_call",
        "text": None,
        "call_id": None,
        "name": None,
        "arguments": None,
        "complete": False,
        "part": 0,
        "arguments_text": text,
    }
    part.end({})
    assert part.fields(over=True)["arguments_text"] == text
    assert part.fields(over=True)["arguments_error"] == "is not JSON"


def test_log_probabilities_are_joined() -> None:
    part = Part("text", 0)
    part.grow({"delta": "a", "logprobs": [{"token": "a"}]})
    part.grow({"delta": "b"})
    part.grow({"delta": "", "logprobs": [{"token": "b"}]})
    assert part.fields(over=True)["logprobs"] == [{"token": "a"}, {"token": "b"}]
    assert part.text == "ab"
