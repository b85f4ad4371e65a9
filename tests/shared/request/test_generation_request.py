"""What a request may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.request.generation_request import GenerationRequest

PDF = "data:application/pdf;base64,aGk="


def request(**fields: Any) -> GenerationRequest:
    fields.setdefault("messages", [{"role": "user", "content": "?"}])
    return GenerationRequest.model_validate({"model": "a/b", **fields})


MORE: dict[str, Any] = {
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"50256": -100, "1": 0.5},
    "verbosity": "low",
    "user": "u",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "service_tier": "flex",
    "top_k": 40,
}
MARK = {"type": "ephemeral", "ttl": "1h"}

EVERYTHING: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?", "cache_control": MARK},
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
            "is_error": True,
            "cache_control": {"type": "ephemeral"},
            "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        },
    ],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "reasoning_budget": 2048,
    **MORE,
    "extra": {"openai": {"tools": [{"type": "web_search"}], "store": False}},
}


def test_it_is_stored_and_read_again_as_it_was() -> None:
    asked = request(**EVERYTHING)
    stored = asked.model_dump_json(exclude_defaults=True)
    assert GenerationRequest.model_validate_json(stored) == asked
    assert asked.given(*MORE) == MORE
    assert asked.given("response_format")["response_format"] == EVERYTHING["response_format"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "low", "reasoning_budget": 2048},
        {"reasoning_budget": 0},
        {"top_logprobs": 2},
        {"top_logprobs": 2, "logprobs": False},
        {"logprobs": True, "top_logprobs": 21},
        {"logit_bias": {"50256": -101}},
        {"verbosity": "loud"},
        {"top_k": 0},
        {"service_tier": "x" * 65},
        {"tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "forever"}}]},
        {"extra": {"openai": 5}},
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request(**fields)


def test_extra_is_added_to_a_body() -> None:
    extra = {"here": {"tools": [2], "stop": "x", "limits": {"b": 1}, "new": [3]}, "there": {"no": 1}}
    body = request(extra=extra).with_extra("here", {"tools": [1], "stop": ["y"], "limits": {"a": 1}, "kept": 1})
    assert body == {"tools": [1, 2], "stop": "x", "limits": {"b": 1}, "kept": 1, "new": [3]}


def test_what_was_not_asked_for_is_not_stored() -> None:
    fields = {"logit_bias": {}, "user": "", "prompt_cache_key": "", "safety_identifier": "", "service_tier": ""}
    stored = request(**fields, top_k=None, logprobs=None).model_dump_json(exclude_defaults=True)
    assert stored == '{"model":"a/b","messages":[{"role":"user","content":"?"}]}'
    # As OpenAI's answers repeat it: none are asked for.
    assert request(top_logprobs=0).top_logprobs == 0
