"""What a request may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.request.generation_request import GenerationRequest, ImageUrl, data_of

PDF = "data:application/pdf;base64,aGk="


def request(**fields: Any) -> GenerationRequest:
    fields.setdefault("messages", [{"role": "user", "content": "?"}])
    return GenerationRequest.model_validate({"model": "a/b", **fields})


def user(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [part]}]


EVERYTHING: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                {"type": "file", "file": {"file_url": "https://example.com/b.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": "x",
            "reasoning": [
                {"text": "Hm.", "signature": "c2ln", "provider": "anthropic"},
                {"encrypted": "x", "item_id": "rs_1", "summary": True, "provider": "openai"},
            ],
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "rain", "arguments": "{}"}}],
        },
        {
            "role": "tool",
            "tool_call_id": "a",
            "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        },
    ],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "reasoning_budget": 2048,
    "extra": {"openai": {"tools": [{"type": "web_search"}], "store": False}},
}


def test_it_is_stored_and_read_again_as_it_was() -> None:
    asked = request(**EVERYTHING)
    stored = asked.model_dump_json(exclude_defaults=True)
    assert GenerationRequest.model_validate_json(stored) == asked
    assert asked.given("response_format")["response_format"] == EVERYTHING["response_format"]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": user({"type": "file", "file": {}})},
        {"messages": user({"type": "file", "file": {"file_data": PDF, "file_url": "https://example.com/"}})},
        {"messages": user({"type": "file", "file": {"file_data": "aGk="}})},
        {"messages": user({"type": "file", "file": {"file_url": "file:///etc/passwd"}})},
        *(
            {"messages": user({"type": "image_url", "image_url": {"url": url}})}
            for url in ("data:image/png", "data:;base64,aGk=", "data:image/png;base64,a")
        ),
        {"messages": [{"role": "assistant", "content": "x", "reasoning": [{"signature": "c2ln"}]}]},
        {"messages": [{"role": "assistant", "content": "x", "reasoning": [{"provider": "openai"}]}]},
        {"response_format": {"type": "yaml"}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
        {"reasoning_effort": "low", "reasoning_budget": 2048},
        {"reasoning_budget": 0},
        {"extra": {"openai": 5}},
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request(**fields)


@pytest.mark.parametrize(
    "url", ["data:image/PNG;base64,aGk=", "DATA:image/png;x=y;base64,aGk%3D", "data:image/png,h%69"]
)
def test_data_urls(url: str) -> None:
    assert data_of(url) == ("image/png", b"hi")
    assert data_of(url).base64 == "aGk="


def test_extra_is_added_to_a_body() -> None:
    extra = {"here": {"tools": [2], "stop": "x", "limits": {"b": 1}, "new": [3]}, "there": {"no": 1}}
    body = request(extra=extra).with_extra("here", {"tools": [1], "stop": ["y"], "limits": {"a": 1}, "kept": 1})
    assert body == {"tools": [1, 2], "stop": "x", "limits": {"b": 1}, "kept": 1, "new": [3]}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "gopher://127.0.0.1/_", " https://x", "https:/x"])
def test_an_image_is_no_file_of_a_provider(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        ImageUrl(url=url)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999", "1" * 400, "-" + "1" * 4000])
def test_a_number_is_one_that_others_can_read(number: str) -> None:
    for fields, place in (
        ('"extra": {"a": {"b/c": [0, {"d": %s}]}}', "/b~1c/1/d"),
        ('"tools": [{"type": "function", "function": {"name": "f", "parameters": {"e": %s}}}]', "/e"),
    ):
        body = '{"model": "a/b", "messages": [{"role": "user", "content": "?"}], ' + fields % number + "}"
        with pytest.raises(ValidationError, match=f"has a number at {place} that is no finite"):
            GenerationRequest.model_validate_json(body)


def test_a_long_number_is_sent_as_it_is() -> None:
    numbers = [10**300, -(2**80), 1e300, 0.1, True]
    assert request(extra={"a": {"b": numbers}}).extra["a"]["b"] == numbers
