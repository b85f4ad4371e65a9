"""What a whole response says: how it ended, what it is made of, and of tokens all or none is believed."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.openai_responses.event import REASONING, REFUSAL, SUMMARY, TEXT, ResponsesEvent
from worker.providers.openai_responses.whole_response import (
    cause_of,
    contents_of,
    cut_by,
    has_failed,
    is_end,
    objects,
    output_of,
    unmapped,
    word,
)


@pytest.mark.parametrize(
    ("response", "rest"),
    [
        ({"id": "r", "model": "m", "output": [1], "tools": [{}]}, {}),
        ({"new": 0, "newer": {}, "newest": {"a": {"b": 0}}}, {}),
        ({"moderation": {"flagged": True}}, {"moderation": {"flagged": True}}),
        ({"usage": {"input_tokens": 9, "total_tokens": 9}}, {}),
        ({"usage": {"web_search_calls": 2, "other": 0}}, {"usage": {"web_search_calls": 2}}),
        (
            {"usage": {"input_tokens_details": {"cached_tokens": 6, "audio_tokens": 2, "image_tokens": 3}}},
            {"usage": {"input_tokens_details": {"image_tokens": 3}}},
        ),
        ({"usage": {"input_tokens_details": {"audio_tokens": 0}, "output_tokens_details": None}}, {}),
        ({"usage": None}, {}),
    ],
)
def test_what_a_response_says_beside_the_answer(response: dict[str, Any], rest: dict[str, Any]) -> None:
    assert unmapped(response) == rest


@pytest.mark.parametrize(
    ("kind", "status", "ends", "failed"),
    [
        ("response.completed", None, True, False),
        ("response.done", None, True, False),
        ("response.failed", None, True, True),
        ("response.cancelled", "completed", True, True),
        ("response.mood", "completed", True, False),
        ("", "cancelled", True, True),
        ("response.mood", "in_progress", False, False),
        ("response.created", "completed", False, False),
        ("response.in_progress", "failed", False, True),
    ],
)
def test_what_ends_an_answer(kind: str, status: Any, ends: bool, failed: bool) -> None:
    response = {"status": status}
    assert (is_end(kind, response), has_failed(kind, response)) == (ends, failed)


@pytest.mark.parametrize(
    ("event", "response", "cause"),
    [
        ({}, {}, None),
        ({"error": {}}, {"error": None}, None),
        ({}, {"error": {"code": "x"}}, {"code": "x"}),
        ({}, {"error": "x"}, "x"),
        ({"error": {"code": "x"}}, {"error": ""}, {"code": "x"}),
        ({"message": "m", "code": "x"}, {}, {"code": "x", "message": "m"}),
        ({}, {"incomplete_details": {"reason": "content_filter"}}, {"code": "content_filter"}),
        ({}, {"incomplete_details": "x"}, None),
    ],
)
def test_why_an_answer_failed(event: dict[str, Any], response: dict[str, Any], cause: object) -> None:
    assert cause_of(ResponsesEvent(**event), response) == cause


def test_contents_in_order() -> None:
    item = {
        "type": "reasoning",
        "summary": ["a", {"type": "summary_text", "text": "b"}, {"type": "x"}],
        "content": [{"type": "text", "text": "c"}, {"type": "hologram"}],
    }
    assert [(content.place, content.text) for content in contents_of(item)] == [
        (SUMMARY, "a"), (SUMMARY, "b"), (REASONING, "c"), (None, ""),
    ]  # fmt: skip
    item = {"type": "message", "content": ["a", {"type": "refusal", "refusal": "b"}, {"type": "text", "text": 6}]}
    assert [(content.place, content.text) for content in contents_of(item)] == [
        (TEXT, "a"), (REFUSAL, "b"), (TEXT, "6"),
    ]  # fmt: skip
    assert contents_of({"type": "message"}) == []


def test_the_output_may_be_its_text() -> None:
    assert output_of({"output_text": "x"}) == [{"type": "message", "content": "x"}]
    message = {"type": "message"}
    assert output_of({"output": [message, 5], "output_text": "x"}) == [message]
    assert output_of({"output": message}) == [message]
    assert output_of({}) == []


def test_names_and_lists_of_other_types() -> None:
    fields = {"a": "x", "b": 7, "c": "", "d": None, "e": {"text": "x"}, "f": True}
    assert {name: word(fields, name) for name in "abcdefg"} == {
        "a": "x", "b": "7", "c": None, "d": None, "e": None, "f": None, "g": None,
    }  # fmt: skip
    assert [objects(value) for value in ([{"x": 1}, 5], {"x": 1}, {}, None, 5)] == [[{"x": 1}], [{"x": 1}], [], [], []]
    assert cut_by({"incomplete_details": {"reason": "max_output_tokens"}}) == "max_output_tokens"
