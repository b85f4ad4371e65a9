"""A body of Messages as a request of ours."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_message_create_params
from hypothesis import given, settings
from hypothesis import strategies as st

from api.dialects.anthropic_messages import fields
from api.dialects.anthropic_messages.errors import status
from api.dialects.anthropic_messages.request import fields_of
from api.problems.problem import ProblemError
from shared.config.protocols import PROTOCOLS, Protocol
from shared.request.generation_request import GenerationRequest
from tests.api.dialects.anthropic_messages.conftest import USER, native, reading, refused

TABLES = {
    "MAPPED": fields.MAPPED,
    "OURS": fields.OURS,
    "PASSED_OR_REFUSED": fields.PASSED_OR_REFUSED,
    "PASSED_OR_IGNORED": fields.PASSED_OR_IGNORED,
    "IGNORED": fields.IGNORED,
    "REFUSED": fields.REFUSED,
}


def test_a_usual_request() -> None:
    found = reading(
        model="claude-x",
        max_tokens=100,
        system="Be brief.",
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        metadata={"user_id": "u"},
        stream=True,
    )
    assert found.native == {
        "model": "claude-x",
        "max_tokens": 100,
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "user": "u",
    }
    assert found.stream
    assert (found.background, found.echo, found.ignored) == (False, {}, ())
    GenerationRequest.model_validate(found.native)


@pytest.mark.parametrize("field", ["model", "max_tokens", "messages"])
def test_what_the_protocol_demands(field: str) -> None:
    assert refused(**{field: None}) == f"/{field}"


def test_null_counts_as_absent() -> None:
    assert native(system=None, tools=None, thinking=None, metadata={"user_id": None}, unheard_of=None) == native()


def test_every_field_of_the_sdks_is_in_one_table() -> None:
    named: set[str] = {"output_format"}
    for module in (message_create_params, beta_message_create_params):
        for kind in ("MessageCreateParamsBase", "MessageCreateParamsStreaming", "MessageCreateParamsNonStreaming"):
            named |= set(vars(module)[kind].__annotations__)
    known = [name for name, table in TABLES.items() if name != "OURS" for _ in table]
    assert named | {"temperature", "top_p", "top_k"} == {
        field for name, table in TABLES.items() if name != "OURS" for field in table
    }
    assert len(known) == len(set().union(*(TABLES[name] for name in TABLES if name != "OURS")))
    assert not fields.OURS & named


@pytest.mark.parametrize("field", sorted(fields.PASSED_OR_REFUSED))
def test_what_only_anthropic_can_do_is_passed_on_or_refused(field: str) -> None:
    assert native("anthropic", **{field: {"a": 1}})["extra"] == {"up": {field: {"a": 1}}}
    assert refused(**{field: {"a": 1}}) == f"/{field}"


@pytest.mark.parametrize("field", sorted(fields.PASSED_OR_IGNORED))
def test_what_changes_no_answer_is_passed_on_or_ignored(field: str) -> None:
    assert native("anthropic", **{field: "x"})["extra"] == {"up": {field: "x"}}
    found = reading(**{field: "x"})
    assert found.native == native()
    assert found.ignored == (field,)


@pytest.mark.parametrize("protocol", ["anthropic", "gemini"])
@pytest.mark.parametrize("field", sorted(fields.IGNORED))
def test_what_nobody_needs_is_ignored(protocol: Protocol, field: str) -> None:
    found = reading(protocol, **{field: "x"})
    assert (found.native, found.ignored) == (native(), (field,))


@pytest.mark.parametrize("protocol", ["anthropic", "gemini"])
@pytest.mark.parametrize("field", sorted(fields.REFUSED.keys() - fields.REFUSED_AS.keys()))
def test_what_nobody_can_do_is_refused(protocol: Protocol, field: str) -> None:
    assert refused(protocol, **{field: {"type": "create"}}) == f"/{field}"


@pytest.mark.parametrize("protocol", ["anthropic", "gemini"])
def test_a_thread_is_refused_by_the_code_at_which_the_tool_runner_goes_on_without(protocol: Protocol) -> None:
    with pytest.raises(ProblemError) as raised:
        reading(protocol, thread={"type": "create"})
    assert (status(raised.value), raised.value.code) == (400, "thread_unsupported_request")
    assert [error.pointer for error in raised.value.errors] == ["/thread"]


def test_only_clearing_what_was_read_is_ignored() -> None:
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    assert reading(context_management=edits).ignored == ("context_management",)
    assert native("anthropic", context_management=edits)["extra"] == {"up": {"context_management": edits}}


def test_betas_come_in_a_header() -> None:
    assert fields_of({"anthropic-beta": "a-1, b ,,c"}) == {"betas": ["a-1", "b", "c"]}
    assert fields_of({"anthropic-beta": " "}) == fields_of({}) == {}


def test_an_unknown_field_goes_to_the_same_protocol_alone() -> None:
    assert native("anthropic", unheard_of=[1])["extra"] == {"up": {"unheard_of": [1]}}
    assert refused(unheard_of=[1]) == "/unheard_of"


def test_fields_of_ours_are_taken_as_they_are() -> None:
    own = {
        "fallback": ["up/other"],
        "on_interrupt": "fail",
        "on_unwatched": {"after": 5.0},
        "idle_timeout": 5.0,
        "deadline": 60.0,
        "ttl": 60.0,
        "cache": {"ttl": 1},
        "extra": {"other": {"a": 1}},
        "reasoning_budget": 2048,
        "conversation": "chat",
    }
    assert set(own) == fields.OURS
    assert native(**own) == {**native(), **own}


def test_what_is_passed_on_stands_beside_the_callers_own_extra() -> None:
    extra = {"other": {"a": 1}, "up": {"b": 2}}
    found = native("anthropic", extra=extra, container="c")
    assert found["extra"] == {"other": {"a": 1}, "up": {"container": "c", "b": 2}}


@pytest.mark.parametrize(
    ("protocol", "tier", "expected"),
    [
        ("anthropic", "standard_only", "standard_only"),
        ("openai-chat", "auto", "auto"),
        ("openai-responses", "standard_only", "default"),
        ("gemini", "auto", None),
        ("openai-chat", "unheard_of", None),
    ],
)
def test_the_tier_is_in_the_providers_words(protocol: Protocol, tier: str, expected: str | None) -> None:
    found = reading(protocol, service_tier=tier)
    assert found.native.get("service_tier") == expected
    assert found.ignored == (() if expected else ("service_tier",))


def test_a_tier_that_only_the_provider_may_know_goes_to_it_as_it_is() -> None:
    found = reading("anthropic", service_tier="next_year")
    assert found.native["extra"] == {"up": {"service_tier": "next_year"}}
    assert "service_tier" not in found.native


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"messages": "Go."}, "/messages"),
        ({"messages": ["Go."]}, "/messages/0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"role": "user", "content": "x", "name": "n"}]}, "/messages/0/name"),
        ({"messages": [{"role": "user"}]}, "/messages/0/content"),
        ({"system": 5}, "/system"),
        ({"stop_sequences": "END"}, "/stop_sequences"),
        ({"metadata": {"user": "u"}}, "/metadata/user"),
        ({"metadata": "u"}, "/metadata"),
        ({"stream": "yes"}, "/stream"),
        ({"extra": []}, "/extra"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], pointer: str) -> None:
    assert refused("anthropic", container="c", **body) == pointer


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_long_conversation_is_read_for_each_protocol(protocol: Protocol) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "What is in it?"}, _image()]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "ms1:anthropic:c2ln"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t", "name": "look", "input": {"at": "é"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "A cat."}]},
    ]
    tools = [{"name": "look", "input_schema": {"type": "object", "properties": {}}}]
    found = native(protocol, messages=messages, tools=tools, tool_choice={"type": "auto"})
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "tool"]


def test_errors_of_our_validation_are_told_at_their_place() -> None:
    found = reading(
        system="s",
        max_tokens=0,
        messages=[
            USER,
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, _call()]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}, {"type": "text", "text": "b"}]},
        ],
        thinking={"type": "enabled", "budget_tokens": 0},
        output_config={"format": {"type": "json_schema", "schema": {}}},
    )
    for ours, theirs in {
        "/max_tokens": "/max_tokens",
        "/messages/0/content": "/system",
        "/messages/1": "/messages/0",
        "/messages/2/content/0/text": "/messages/1/content/0/text",
        "/messages/2/tool_calls/0/function/arguments": "/messages/1/content/1/input",
        "/messages/2/tool_calls/0": "/messages/1/content/1",
        "/messages/3/tool_call_id": "/messages/2/content/0/tool_use_id",
        "/messages/4/content/0/text": "/messages/2/content/1/text",
        "/reasoning_budget": "/thinking/budget_tokens",
        "/response_format/json_schema/schema": "/output_config/format",
        "/fallback/0": "/fallback/0",
    }.items():
        assert found.pointer(ours) == theirs


def _image() -> dict[str, Any]:
    data = base64.b64encode(b"png").decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def _call() -> dict[str, Any]:
    return {"type": "tool_use", "id": "t", "name": "f", "input": {}}


_WORDS = ["text", "image", "document", "search_result", "tool_result", "tool_use", "thinking", "redacted_thinking"]
_NAMES = [
    *("type", "role", "content", "text", "source", "data", "id", "name", "input", "tool_use_id", "signature", "url"),
    *("thinking", "citations", "media_type", "budget_tokens", "effort", "format", "schema", "is_error"),
]
_ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "x", "user", "assistant", "system", *_WORDS]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(
    protocol=st.sampled_from(list(PROTOCOLS)),
    body=st.dictionaries(st.sampled_from(sorted(set().union(*TABLES.values()))), _ODD, max_size=5),
    messages=st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(_ODD, max_size=3) | _ODD}
        ),
        max_size=3,
    ),
)
def test_any_body_is_read_or_refused(protocol: Protocol, body: dict[str, Any], messages: list[Any]) -> None:
    try:
        found = reading(protocol, **{"messages": messages, **body})
    except ProblemError:
        pass
    else:
        assert found.native["messages"] is not None


def test_a_mark_in_the_system_prompt_is_named_by_its_block() -> None:
    system = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"scope": "global"}}]
    found = reading(system=system)
    assert found.pointer("/messages/0/content/1/cache_control/scope") == "/system/1/cache_control/scope"
