"""A request of OpenAI Responses as a generation's."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import response_create_params

from api.dialects.dialect_request import DialectRequest
from api.dialects.openai_responses import fields
from api.dialects.openai_responses.request import read
from api.problems.problem import ProblemError
from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest


def asked(protocol: Protocol = "openai-chat", **body: Any) -> DialectRequest:
    """What is read of a body."""
    return read({"model": "gpt-5", "input": "Hi", **body}, provider="up", protocol=protocol)


def refused(protocol: Protocol = "openai-chat", **body: Any) -> str:
    """The pointer of the field for which a body is refused."""
    with pytest.raises(ProblemError) as raised:
        asked(protocol, **body)
    assert raised.value.status == 400
    (error,) = raised.value.errors
    assert error.message
    return error.pointer


NAMES = (
    "input", "tools", "tool_choice", "text", "reasoning", "include", "type", "role", "content", "name", "format",
    "effort", "summary", "encrypted_content", "call_id", "arguments", "output", "image", "prompt_cache_options",
    "mode", "image_url", "file_data", "id", "extra", "up", "instructions", "background", "metadata",
)  # fmt: skip

TABLES = (
    fields.MAPPED, frozenset(fields.IGNORED), frozenset(fields.IGNORED_ELSEWHERE), frozenset(fields.REFUSED_ELSEWHERE),
    frozenset(fields.REFUSED),
)  # fmt: skip


def test_every_field_of_the_sdk_is_in_one_table() -> None:
    known = set(response_create_params.ResponseCreateParamsStreaming.__annotations__)
    for name in known:
        assert sum(name in table for table in TABLES) == 1, name
    # Open Responses has the penalties besides, and a newer SDK the options.
    assert set().union(*TABLES) - known <= {
        "frequency_penalty", "presence_penalty", "background_options", "client_metadata",
    }  # fmt: skip


def test_every_value_of_include_is_known() -> None:
    from openai.types.responses import ResponseIncludable

    assert set(get_args(ResponseIncludable)) <= fields.INCLUDED.keys() | fields.INCLUDED_OF_TOOLS


def test_a_plain_request() -> None:
    got = asked()
    assert got.native == {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
    assert (got.stream, got.background, got.echo, got.ignored) == (False, False, {}, ())


def test_fields_under_other_names() -> None:
    got = asked(
        instructions="Be brief.", max_output_tokens=9, previous_response_id="resp_1", stream=True, background=True,
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        reasoning={"effort": "low"}, include=["message.output_text.logprobs"], top_logprobs=2,
    )  # fmt: skip
    assert (got.stream, got.background) == (True, True)
    assert got.native == {
        "model": "gpt-5",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "previous": "resp_1",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 2,
    }
    assert got.pointer("/messages/0/content") == "/instructions"
    assert got.pointer("/messages/1/content") == "/input"


def test_fields_that_are_the_same_here() -> None:
    same: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.5, "metadata": {"a": "b"}, "parallel_tool_calls": False, "user": "u",
        "prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex", "ttl": 60, "fallback": ["a/b"],
        "on_interrupt": "fail", "cache": {"ttl": 1}, "deadline": 9, "idle_timeout": 9, "reasoning_budget": 5,
    }  # fmt: skip
    got = asked(**same)
    assert {name: got.native[name] for name in same} == same
    GenerationRequest.model_validate({**got.native, "model": "a/b"})


def test_null_is_absent() -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        (*fields.MAPPED - {"input", "model"}, *fields.REFUSED, *fields.REFUSED_ELSEWHERE, "new")
    )
    assert asked(**nulls).native == asked().native


def test_what_only_the_same_protocol_has_goes_on_as_it_is() -> None:
    body: dict[str, Any] = {
        "truncation": "auto", "max_tool_calls": 2, "moderation": {"model": "m"}, "new": 1,
        "tools": [{"type": "web_search"}, {"type": "function", "name": "look"}], "tool_choice": {"type": "web_search"},
        "reasoning": {"effort": "max", "summary": "concise"}, "include": ["file_search_call.results"],
    }  # fmt: skip
    got = asked("openai-responses", **body)
    expected = {**body, "tools": [{"type": "web_search"}]}
    assert got.native["extra"] == {"up": expected}
    assert got.native["tools"] == [{"type": "function", "function": {"name": "look"}}]
    assert got.ignored == ()


def test_what_the_caller_gives_the_provider_itself_counts_more() -> None:
    got = asked("openai-responses", new=1, old=2, extra={"up": {"new": 3}, "other": {"x": 1}})
    assert got.native["extra"] == {"up": {"new": 3, "old": 2}, "other": {"x": 1}}


def test_what_changes_nothing_is_named() -> None:
    got = asked(
        stream_options={"include_obfuscation": False}, max_tool_calls=1, prompt_cache_retention="24h",
        client_metadata={"session_id": "s"},
        include=["reasoning.encrypted_content", "web_search_call.action.sources"], reasoning={"summary": "auto"},
    )  # fmt: skip
    assert set(got.ignored) == {
        "stream_options", "max_tool_calls", "prompt_cache_retention", "client_metadata",
        "include.web_search_call.action.sources", "reasoning.summary",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"conversation": 5}, "/conversation"),
        ({"conversation": {"id": 5}}, "/conversation"),
        ({"conversation": {"id": "c", "x": 1}}, "/conversation"),
        ({"conversation": {}}, "/conversation"),
        ({"prompt": {"id": "p"}}, "/prompt"),
        ({"background": True, "store": False}, "/background"),
        ({"truncation": "auto"}, "/truncation"),
        ({"moderation": {"model": "m"}}, "/moderation"),
        ({"context_management": [{"type": "compaction"}]}, "/context_management"),
        ({"image": {"context_compression": "enabled"}}, "/image"),
        ({"prompt_cache_options": {"prewarm": True}}, "/prompt_cache_options/prewarm"),
        ({"n": 2}, "/n"),
        ({"stream": 1}, "/stream"),
        ({"text": {"new": 1}}, "/text/new"),
        ({"text": "short"}, "/text"),
        ({"reasoning": {"new": 1}}, "/reasoning/new"),
        ({"reasoning": "high"}, "/reasoning"),
        ({"include": ["new"]}, "/include/0"),
        ({"include": "new"}, "/include"),
        ({"input": None}, "/input"),
    ],
)
def test_what_cannot_be_honoured(body: dict[str, Any], pointer: str) -> None:
    assert refused(**body) == pointer


@pytest.mark.parametrize("name", ["prompt"])
def test_what_nobody_can_honour_here(name: str) -> None:
    assert refused("openai-responses", **{name: "x"}) == f"/{name}"


def test_an_effort_that_nobody_knows_is_for_the_validation_to_name() -> None:
    got = asked(reasoning={"effort": "most"})
    assert got.native["reasoning_effort"] == "most"
    assert got.pointer("/reasoning_effort") == "/reasoning/effort"


def test_penalties_of_nothing_say_nothing() -> None:
    got = asked(frequency_penalty=0, presence_penalty=0.0, top_logprobs=0)
    assert got.native == asked().native
    assert got.echo == {"frequency_penalty": 0, "presence_penalty": 0.0, "top_logprobs": 0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "auto", "message", "function", "user", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), st.sampled_from(["openai-responses", "gemini"]))
@settings(deadline=None)
def test_any_json_is_read_or_refused(body: dict[str, Any], protocol: Protocol) -> None:
    with suppress(ProblemError):
        got = read(body, provider="up", protocol=protocol)
        assert isinstance(got.native["messages"], list)


def test_what_follows_another_response_may_say_nothing_new() -> None:
    got = read({"model": "gpt-5", "previous_response_id": "resp_1"}, provider="up", protocol="anthropic")
    assert got.native == {"model": "gpt-5", "messages": [], "previous": "resp_1"}
