"""Contents as Messages has them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.request.message_parts import CacheControl, ContentPart
from worker.providers.anthropic.contents import contents, marked, texts

MARK = {"type": "ephemeral"}
PARTS: TypeAdapter[Any] = TypeAdapter(list[ContentPart])


def test_blocks_have_the_marks_of_their_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    file = {"type": "file", "file": {"file_url": "https://example.com/a.pdf", "filename": "a.pdf"}}
    parts = PARTS.validate_python([{"type": "text", "text": "x"}, image, file])
    expected: list[dict[str, Any]] = [
        {"type": "text", "text": "x"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}, "title": "a.pdf"},
    ]
    assert contents(parts) == expected
    mark = CacheControl()
    with_marks = [part.model_copy(update={"cache_control": mark}) for part in parts]
    assert contents(with_marks) == [block | {"cache_control": MARK} for block in expected]


@pytest.mark.parametrize(("content", "expected"), [("x", [{"type": "text", "text": "x"}]), (" ", []), ("", [])])
def test_blank_texts_are_none(content: str, expected: list[dict[str, Any]]) -> None:
    assert texts(content) == expected
    assert texts(PARTS.validate_python([{"type": "text", "text": content}])) == expected


def test_a_mark_says_for_how_long() -> None:
    assert marked({"type": "x"}, CacheControl(ttl="1h")) == {"type": "x", "cache_control": MARK | {"ttl": "1h"}}
    assert marked({"type": "x"}, None) == {"type": "x"}
