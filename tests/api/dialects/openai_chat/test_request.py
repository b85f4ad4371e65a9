"""A request of Chat: every field of the SDK has its place, and what cannot be honoured is named."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from openai.types import ReasoningEffort
from openai.types.chat import ChatCompletionStreamOptionsParam
from openai.types.chat import completion_create_params as sdk

from api.dialects.dialect_request import DialectRequest
from api.dialects.openai_chat import request_fields
from api.dialects.openai_chat.request import read
from api.problems.problem import ProblemError
from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import read as read_native

USER = {"role": "user", "content": "Hi"}
BODY: dict[str, Any] = {"model": "gpt-5", "messages": [USER]}
TABLES: list[set[str]] = [
    set(request_fields.SAME),
    set(request_fields.MAPPED),
    set(request_fields.READ),
    set(request_fields.REFUSED),
    set(request_fields.REFUSED_ELSEWHERE),
    set(request_fields.IGNORED),
]


def taken(protocol: Protocol = "openai-chat", /, **fields: Any) -> DialectRequest:
    return read(BODY | fields, provider="acme", protocol=protocol)


def refused(protocol: Protocol = "openai-chat", /, **fields: Any) -> dict[str, str]:
    with pytest.raises(ProblemError) as refusal:
        taken(protocol, **fields)
    assert (refusal.value.status, refusal.value.code) == (400, "unsupported_field")
    return {error.pointer: error.message for error in refusal.value.errors}


def validated(request: DialectRequest) -> GenerationRequest:
    return read_native(msgspec.json.encode(request.native | {"model": "acme/gpt-5"}), 10_000)


@pytest.mark.parametrize("kind", [sdk.CompletionCreateParamsStreaming, sdk.CompletionCreateParamsNonStreaming])
def test_every_field_of_the_sdk_is_in_one_table(kind: type) -> None:
    names = set(get_type_hints(kind))
    assert len(names) > 30
    assert {name: sum(name in table for table in TABLES) for name in names} == dict.fromkeys(names, 1)


def test_every_table_names_fields_of_the_sdk_or_ours() -> None:
    known = set(get_type_hints(sdk.CompletionCreateParamsStreaming)) | set(GenerationRequest.model_fields)
    assert set().union(*TABLES) <= known
    assert set(request_fields.NEUTRAL) <= set(GenerationRequest.model_fields)
    options = set(get_type_hints(ChatCompletionStreamOptionsParam))
    assert options == {"include_usage", "include_obfuscation"}


def test_fields_of_ours_are_taken_as_they_are() -> None:
    fields: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.9, "stop": ["a"], "seed": 1, "reasoning_effort": "low", "top_k": 5,
        "response_format": {"type": "json_object"}, "logprobs": True, "top_logprobs": 2, "logit_bias": {"5": 1},
        "user": "u", "service_tier": "flex", "metadata": {"a": "b"}, "parallel_tool_calls": False, "verbosity": "low",
        "fallback": ["b"], "on_interrupt": "restart", "idle_timeout": 5, "deadline": 60, "ttl": 60, "cache": {"ttl": 1},
        "reasoning_budget": None, "frequency_penalty": 0, "presence_penalty": 0.1,
        "prompt_cache_key": "k", "safety_identifier": "s",
    }  # fmt: skip
    request = taken(**fields)
    del fields["reasoning_budget"]
    assert request.native == BODY | fields
    assert (request.stream, request.echo, request.ignored, request.background) == (False, {}, (), False)
    validated(request)


def test_max_completion_tokens_is_the_newer_name() -> None:
    given: list[dict[str, Any]] = [
        {"max_tokens": 5},
        {"max_completion_tokens": 5},
        {"max_completion_tokens": 5, "max_tokens": 9},
    ]
    for fields in given:
        assert taken(**fields).native == BODY | {"max_tokens": 5}
    assert taken(max_tokens=9, max_completion_tokens=5).pointer("/max_tokens") == "/max_completion_tokens"
    assert taken(max_tokens=9).pointer("/max_tokens") == "/max_tokens"


def test_null_is_absent() -> None:
    hints = get_type_hints(sdk.CompletionCreateParamsStreaming).keys() - {"model", "messages"}
    request = taken("gemini", **dict.fromkeys(hints))
    assert request.native == BODY
    assert (request.stream, request.ignored) == (False, ())


@pytest.mark.parametrize(
    ("fields", "stream", "echo"),
    [
        ({}, False, {}),
        ({"stream": False, "stream_options": {"include_usage": True}}, False, {}),
        ({"stream": True}, True, {"include_usage": False}),
        ({"stream": True, "stream_options": {}}, True, {"include_usage": False}),
        ({"stream": True, "stream_options": {"include_usage": None}}, True, {"include_usage": False}),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, {"include_usage": True}),
    ],
)
def test_how_it_is_answered(fields: dict[str, Any], stream: bool, echo: dict[str, Any]) -> None:
    request = taken(**fields)
    assert (request.stream, request.echo, request.native) == (stream, echo, BODY)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"n": 2}, "/n"),
        ({"n": True}, "/n"),
        ({"n": "1"}, "/n"),
        ({"modalities": ["text", "audio"]}, "/modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "/audio"),
        ({"functions": [{"name": "f"}]}, "/functions"),
        ({"function_call": "auto"}, "/function_call"),
        ({"stream": "yes"}, "/stream"),
        ({"stream_options": []}, "/stream_options"),
        ({"stream_options": {"include_usage": 1}}, "/stream_options/include_usage"),
        ({"stream_options": {"novelty": True}}, "/stream_options/novelty"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "/tools/0"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "c"}}}, "/tool_choice"),
        ({"messages": [{"role": "function", "name": "f", "content": "1"}]}, "/messages/0/role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]},
            "/messages/0/content/0",
        ),
        (
            {"messages": [USER, {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "/messages/1/content/0/file/file_id",
        ),
        ({"messages": [{"role": "assistant", "content": "a", "audio": {"id": "a"}}]}, "/messages/0/audio"),
        (
            {"messages": [{"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": ""}}]},
            "/messages/0/function_call",
        ),
    ],
)
@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic"])
def test_what_nobody_can_honour_is_named(protocol: Protocol, fields: dict[str, Any], pointer: str) -> None:
    assert list(refused(protocol, **fields)) == [pointer]


def test_all_that_is_wrong_is_named_at_once() -> None:
    assert list(refused(n=2, audio={}, stream=1)) == ["/stream", "/n", "/audio"]


@pytest.mark.parametrize(
    "fields",
    [
        {"web_search_options": {}},
        {"moderation": {"model": "m"}},
        {"tools": [{"type": "web_search"}]},
        {"novelty": 1},
        {"tool_choice": {"type": "web_search"}, "tools": [{"type": "web_search"}]},
    ],
)
def test_what_only_a_provider_of_this_protocol_knows(fields: dict[str, Any]) -> None:
    assert taken(**fields).native["extra"] == {"acme": fields}
    assert {pointer.split("/")[1] for pointer in refused("gemini", **fields)} == fields.keys()


def test_functions_stay_beside_tools_that_the_provider_runs() -> None:
    hosted = {"type": "web_search"}
    function = {"type": "function", "function": {"name": "f"}}
    request = taken(tools=[hosted, function], extra={"acme": {"a": 1}, "b": {}})
    assert request.native["tools"] == [function]
    assert request.native["extra"] == {"acme": {"tools": [hosted], "a": 1}, "b": {}}
    assert request.pointer("/tools/0/function/name") == "/tools/1/function/name"
    assert request.pointer("/extra/acme/tools/0") == "/tools/0"
    assert request.pointer("/extra/b") == "/extra/b"


@pytest.mark.parametrize("field", ["store", "prediction", "prompt_cache_options", "prompt_cache_retention"])
def test_what_changes_no_answer_is_ignored_by_name(field: str) -> None:
    given: dict[str, Any] = {field: {}}
    assert taken("anthropic", **given).ignored == (field,)
    assert taken("anthropic", **given).native == BODY
    assert taken(**given).native["extra"] == {"acme": given}


def test_what_is_ignored_within_other_fields() -> None:
    part = {"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}}
    request = taken(
        messages=[{"role": "user", "content": [part]}], stream=True, stream_options={"include_obfuscation": False}
    )
    assert set(request.ignored) == set(request_fields.IGNORED_WITHIN)
    assert request.native["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert "prompt_cache_breakpoint" in part


def test_values_that_ask_for_nothing_are_absent_where_a_protocol_has_no_field() -> None:
    assert taken("anthropic", **request_fields.NEUTRAL).native == BODY
    assert taken(**request_fields.NEUTRAL).native == BODY | request_fields.NEUTRAL
    assert taken("anthropic", presence_penalty=0.5).native["presence_penalty"] == 0.5


def test_an_effort_that_only_some_have_is_the_highest_elsewhere() -> None:
    assert taken("anthropic", reasoning_effort="max").native == BODY | {"reasoning_effort": "xhigh"}
    assert taken(reasoning_effort="max").native == BODY | {"extra": {"acme": {"reasoning_effort": "max"}}}


def test_every_effort_of_the_sdk_is_one_of_ours() -> None:
    efforts = get_args(get_args(ReasoningEffort)[0])
    assert len(efforts) > 5
    for effort in efforts:
        validated(taken("gemini", reasoning_effort=effort))


@pytest.mark.parametrize("field", ["input", "contents"])
def test_what_says_what_is_asked_is_never_passed(field: str) -> None:
    given: dict[str, Any] = {field: "x"}
    assert list(refused(**given)) == [f"/{field}"]


def test_what_has_another_shape_is_left_to_validation() -> None:
    odd: list[dict[str, Any]] = [
        {"messages": "Hi"}, {"tools": {}}, {"extra": []}, {"messages": ["Hi"]}, {"tool_choice": 5},
    ]  # fmt: skip
    for fields in odd:
        assert taken(**fields).native == BODY | fields
    assert taken(extra=[], novelty=1).native == BODY | {"extra": []}


def test_the_body_stays_as_it_was() -> None:
    signed = {"google": {"thought_signature": "ms1:gemini:S"}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": signed}
    body = BODY | {"messages": [{"role": "assistant", "tool_calls": [call]}], "tools": [{"type": "web_search"}]}
    before = msgspec.json.encode(body)
    read(body, provider="acme", protocol="openai-chat")
    assert msgspec.json.encode(body) == before
