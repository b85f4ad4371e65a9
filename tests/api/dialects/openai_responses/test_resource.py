"""The response object around its output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from openai.types.responses import Response

from api.dialects.openai_responses.request import read
from api.dialects.openai_responses.resource import DEFAULTS, resource, usage_of
from shared.log.events import Usage
from tests.api.dialects.openai_responses.logs import TAIL, subject

FULL = {
    "model": "gpt-5", "input": "Hi", "instructions": "Be brief.", "max_output_tokens": 9, "max_tool_calls": 2,
    "metadata": {"a": "b"}, "parallel_tool_calls": False, "previous_response_id": "resp_0", "prompt_cache_key": "k",
    "prompt_cache_retention": "24h", "reasoning": {"effort": "low", "summary": "concise"}, "safety_identifier": "s",
    "service_tier": "flex", "store": False, "temperature": 0.5, "top_p": 0.25, "top_logprobs": 3, "user": "u",
    "text": {"format": {"type": "json_object"}, "verbosity": "low"}, "truncation": "auto",
    "tool_choice": {"type": "function", "name": "look"}, "tools": [{"type": "function", "name": "look"}],
}  # fmt: skip


def test_it_repeats_the_request() -> None:
    asked = read(FULL, provider="openai", protocol="openai-responses")
    said = resource(subject(**asked.echo), "queued", [])
    look = {"type": "function", "name": "look", "description": None, "parameters": None, "strict": None}
    expected = {name: value for name, value in FULL.items() if name != "input"} | {"tools": [look]}
    assert {name: said[name] for name in expected} == expected
    Response.model_validate(said)


def test_it_is_one_of_open_responses() -> None:
    schema = pytest.importorskip("openresponses_types")
    asked = read(FULL, provider="openai", protocol="openai-responses")
    for said in (resource(subject(**asked.echo), "queued", []), resource(subject(), "queued", [])):
        assert schema.ResponseResource.model_validate(said).id == f"resp_{TAIL}"


def test_of_a_request_in_another_dialect_nothing_is_known() -> None:
    other = replace(subject(temperature=0.5), dialect="openai-chat")
    said = resource(other, "queued", [])
    assert {name: said[name] for name in DEFAULTS} == DEFAULTS


def test_the_tier_that_served_it() -> None:
    assert resource(subject(service_tier="auto"), "completed", [], tier="flex")["service_tier"] == "flex"
    # Anthropic's word
    assert resource(subject(service_tier="auto"), "completed", [], tier="standard")["service_tier"] == "auto"


def test_counts() -> None:
    plain = Usage(input_tokens=9, output_tokens=4, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1)
    assert usage_of(plain) == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 13,
    }
    heard = usage_of(Usage(audio_input_tokens=5, audio_output_tokens=0))
    assert heard["input_tokens_details"]["audio_tokens"] == 5
    assert heard["output_tokens_details"]["audio_tokens"] == 0
