"""What a conversation is called."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.request.generation_request import GenerationRequest
from shared.request.title import title_of, title_of_stored


def said(*contents: Any) -> dict[str, Any]:
    return {"model": "p/m", "messages": [{"role": "user", "content": content} for content in contents]}


PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
TEXT = {"type": "text", "text": "a\n  b"}


@pytest.mark.parametrize(
    ("request_fields", "title"),
    [
        (said("Why is\nthe  sky blue?"), "Why is the sky blue?"),
        (said("x" * 900), "x" * 200),
        (said(" " * 900, "Second."), "Second."),
        (said([PICTURE], [PICTURE, TEXT, {"type": "text", "text": "c"}]), "a b c"),
        (said("a\u200bb\x07"), "ab"),
        (said("\u200b"), ""),
    ],
)
def test_it_is_the_beginning_of_the_first_text(request_fields: dict[str, Any], title: str) -> None:
    assert title_of(GenerationRequest.model_validate(request_fields).messages) == title
    assert title_of_stored(msgspec.json.encode(request_fields)) == title


def test_the_system_says_no_title() -> None:
    fields = said("Hello.")
    fields["messages"].insert(0, {"role": "system", "content": "Be brief."})
    assert title_of_stored(msgspec.json.encode(fields)) == "Hello."


def test_what_cannot_be_read_has_none() -> None:
    assert title_of_stored(b"") == title_of_stored(b'{"messages":1}') == ""
