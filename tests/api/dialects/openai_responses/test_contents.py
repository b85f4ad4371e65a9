"""Contents of input items."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.openai_responses.contents import objects, parts_of, text_of
from api.dialects.openai_responses.pointers import Pointers
from api.problems.problem import ProblemError
from shared.request.messages import UserMessage


def parts(*contents: Any) -> Any:
    return parts_of(list(contents), "/input/0/content", "/messages/0/content", Pointers())


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"type": "input_text", "text": "a"}, {"type": "text", "text": "a"}),
        ({"type": "output_text", "text": "a", "annotations": []}, {"type": "text", "text": "a"}),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        ),
        (
            {"type": "input_image", "image_url": "https://a.example/b", "detail": "low", "file_id": None},
            {"type": "image_url", "image_url": {"url": "https://a.example/b", "detail": "low"}},
        ),
        (
            {"type": "input_file", "file_data": "data:text/plain;base64,YQ==", "filename": "a.txt"},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,YQ==", "filename": "a.txt"}},
        ),
        (
            {"type": "input_file", "file_data": "YQ==", "filename": "a.pdf"},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,YQ==", "filename": "a.pdf"}},
        ),
        (
            {"type": "input_file", "file_url": "https://a.example/b.pdf"},
            {"type": "file", "file": {"file_url": "https://a.example/b.pdf"}},
        ),
    ],
)
def test_contents(content: dict[str, Any], part: dict[str, Any]) -> None:
    assert parts(content) == [part]
    UserMessage.model_validate({"role": "user", "content": [part]})


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({"type": "input_image", "file_id": "file_1"}, "/input/0/content/0/file_id"),
        ({"type": "input_file", "file_id": "file_1"}, "/input/0/content/0/file_id"),
        ({"type": "input_audio", "input_audio": {}}, "/input/0/content/0/type"),
        ({"type": "input_text"}, "/input/0/content/0/text"),
        ("text", "/input/0/content/0"),
    ],
)
def test_contents_that_cannot_be_sent(content: Any, pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        parts(content)
    assert (raised.value.status, raised.value.errors[0].pointer) == (400, pointer)


def test_where_contents_stand() -> None:
    pointers = Pointers()
    contents = [{"type": "input_image", "image_url": "x"}, {"type": "input_file", "file_data": "x"}]
    parts_of(contents, "/input/3/content", "/messages/1/content", pointers)
    assert pointers("/messages/1/content/0/image_url/url") == "/input/3/content/0/image_url"
    assert pointers("/messages/1/content/1/file/file_data") == "/input/3/content/1/file_data"


def test_objects() -> None:
    assert list(objects([{"a": None, "b": 1}], "/x")) == [("/x/0", {"b": 1})]
    with pytest.raises(ProblemError):
        list(objects("x", "/x"))
    with pytest.raises(ProblemError):
        text_of({"a": 1}, "a", "/x")


@pytest.mark.parametrize("content", [None, 5, {"type": "input_text", "text": "a"}])
def test_what_a_content_may_be_is_said(content: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        parts_of(content, "/input/0/content", "/messages/0/content", Pointers())
    (error,) = caught.value.errors
    assert (error.pointer, error.message) == ("/input/0/content", "must be a string, or a list")
