"""Blank messages are left out, unless that changed what is last."""

from __future__ import annotations

from typing import Any

import pytest

from shared.request.blank_texts import ends_with_answer, has_text, nothing_said, result_of
from shared.request.generation_request import GenerationRequest
from shared.request.messages import ToolMessage

CALL = {"id": "c", "function": {"name": "f", "arguments": ""}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/"}}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def said(content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


@pytest.mark.parametrize(
    ("messages", "pointers", "last"),
    [
        ([user("x")], [], None),
        ([user(" \n\t")], ["/messages"], None),
        ([user([text(""), text(" ")])], ["/messages"], None),
        ([user([text(" "), IMAGE])], [], None),
        ([{"role": "system", "content": "x"}], ["/messages"], None),
        ([user("x"), said("y")], [], 1),
        ([user("x"), said("y"), {"role": "system", "content": "x"}], [], 1),
        ([user("x"), said(None, refusal="No.")], [], 1),
        # Left out, it would leave the answer for the model to go on with.
        ([user("x"), said("y"), user(" ")], ["/messages/2/content"], 1),
        ([user("x"), said("y"), user(" "), user("")], ["/messages/3/content"], 1),
        # An answer that is blank is none.
        ([user("x"), said(" ")], [], None),
        ([user("x"), said("\n"), user(" ")], [], None),
        ([user("x"), said("", tool_calls=[CALL]), {"role": "tool", "tool_call_id": "c", "content": ""}], [], None),
    ],
)
def test_what_is_last(messages: list[dict[str, Any]], pointers: list[str], last: int | None) -> None:
    request = GenerationRequest.model_validate({"model": "a/b", "messages": messages})
    assert [lack.pointer for lack in nothing_said(request, has_text)] == pointers
    assert ends_with_answer(request, has_text) == last


def test_white_space_counts_where_a_provider_takes_it() -> None:
    request = GenerationRequest.model_validate({"model": "a/b", "messages": [user(" ")]})
    assert list(nothing_said(request, bool)) == []


@pytest.mark.parametrize(
    ("content", "failed", "expected"),
    [
        ("No.", True, "No."),
        ("", True, "Error"),
        ([text(" "), text("")], True, "Error"),
        ([IMAGE], True, [IMAGE]),
        ("", False, ""),
        ("", None, ""),
    ],
)
def test_a_failed_result_says_so(content: Any, failed: bool | None, expected: Any) -> None:
    fields = {"role": "tool", "tool_call_id": "c", "content": content, "is_error": failed}
    said = result_of(ToolMessage.model_validate(fields))
    assert (said if isinstance(said, str) else [part.model_dump(exclude_none=True) for part in said]) == expected
