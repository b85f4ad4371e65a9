"""Content blocks as parts of ours."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.anthropic_messages.content import parts_of, texts_of
from api.problems.problem import ProblemError
from shared.request.data_url import data_of
from shared.request.messages import UserMessage

MARK = {"type": "ephemeral"}


def parts(**block: Any) -> list[dict[str, Any]]:
    found = parts_of(block, "/b")
    UserMessage.model_validate({"role": "user", "content": found})
    return found


def document(source: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return parts(type="document", source=source, **fields)


def test_images() -> None:
    encoded = {"type": "base64", "media_type": "image/png", "data": "cG5n"}
    assert parts(type="image", source=encoded, cache_control=MARK) == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}, "cache_control": MARK}
    ]
    by_url = {"type": "url", "url": "https://example.com/a.png"}
    assert parts(type="image", source=by_url) == [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    ]
    assert parts(type="image", source=by_url, transformations={}) == parts(type="image", source=by_url)


def test_documents() -> None:
    encoded = {"type": "base64", "media_type": "application/pdf", "data": "UERG"}
    assert document(encoded, title="a.pdf", cache_control=MARK, citations={"enabled": False}) == [
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,UERG", "filename": "a.pdf"},
            "cache_control": MARK,
        }
    ]
    assert document({"type": "url", "url": "https://example.com/a.pdf"}, context="A letter.") == [
        {"type": "text", "text": "A letter."},
        {"type": "file", "file": {"file_url": "https://example.com/a.pdf"}},
    ]
    (text,) = document({"type": "text", "media_type": "text/plain", "data": "é"})
    assert data_of(text["file"]["file_data"]) == ("text/plain", "é".encode())


def test_a_document_of_blocks_is_its_blocks() -> None:
    blocks = [
        {"type": "text", "text": "a"},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/"}},
    ]
    assert document({"type": "content", "content": blocks}, title="T", cache_control=MARK) == [
        {"type": "text", "text": "T"},
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "https://example.com/"}, "cache_control": MARK},
    ]
    assert document({"type": "content", "content": "a"}) == [{"type": "text", "text": "a"}]


def test_a_search_result_is_a_text() -> None:
    content = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert parts(type="search_result", title="T", source="https://example.com/", content=content) == [
        {"type": "text", "text": "T\nhttps://example.com/\n\none\ntwo"}
    ]


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "/b/source"),
        ({"type": "image"}, "/b/source"),
        ({"type": "image", "source": {"type": "base64", "data": "x"}}, "/b/source/media_type"),
        ({"type": "image", "source": {"type": "url"}}, "/b/source/url"),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a/"}, "transformations": {"large": "crop"}},
            "/b/transformations",
        ),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "/b/source"),
        (
            {"type": "document", "source": {"type": "url", "url": "https://a/"}, "citations": {"enabled": True}},
            "/b/citations",
        ),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "x"}]}}, "/b/source/content/0/type"),
        ({"type": "search_result", "title": "T", "source": "s", "content": [{"type": "image"}]}, "/b/content/0/type"),
        ({"type": "container_upload", "file_id": "f"}, "/b"),
        ({"type": "thinking", "thinking": "x"}, "/b/type"),
    ],
)
def test_what_cannot_be_honoured_is_named(block: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        parts_of(block, "/b")
    assert [error.pointer for error in raised.value.errors] == [pointer]


def test_a_system_prompt_is_texts() -> None:
    assert texts_of("a", "/system") == "a"
    texts = [{"type": "text", "text": "a", "cache_control": MARK}]
    assert texts_of(texts, "/system") == texts
