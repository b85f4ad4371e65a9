"""A request as Chat Completions has it: only what was asked for, in the endpoint's own names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from worker.providers.openai_chat.request import body, prefill
from worker.providers.prefill import Prefix
from worker.providers.provider import ProviderError

Ask = Callable[..., GenerationRequest]


def test_openai_itself_has_newer_names(ask: Ask) -> None:
    request = ask(messages=[{"role": "developer", "content": "Be brief."}], max_tokens=9)
    fields = body(request, "m", ProviderSettings(protocol="openai-chat"), official=True)
    assert fields["max_completion_tokens"] == 9
    assert "max_tokens" not in fields
    assert fields["messages"][0]["role"] == "developer"


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({"stream_options": False}, {}, {}),
        ({"max_tokens_field": "max_completion_tokens"}, {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({"seed_field": "random_seed"}, {"seed": 9}, {"random_seed": 9}),
        ({"reasoning": "openrouter"}, {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        ({"reasoning": "openrouter"}, {"reasoning_budget": 99}, {"reasoning": {"max_tokens": 99}}),
        ({"reasoning": "litellm"}, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ({"preset": "groq"}, {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({"preset": "mistral"}, {"max_tokens": 9, "seed": 1}, {"max_tokens": 9, "random_seed": 1}),
        ({"preset": "openrouter"}, {"reasoning_budget": 99}, {"reasoning": {"max_tokens": 99}}),
    ],
)
def test_endpoints_have_their_own_names(
    ask: Ask, settings: dict[str, Any], fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    endpoint = ProviderSettings.model_validate({"protocol": "openai-chat", **settings})
    got = body(ask(**fields), "m", endpoint, official=False)
    assert got.pop("stream_options", None) == ({"include_usage": True} if endpoint.stream_options else None)
    assert {name: got[name] for name in got if name not in ("model", "messages", "stream")} == expected


def test_a_developer_role_where_it_is_known(ask: Ask) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", developer_role=True)
    request = ask(messages=[{"role": "developer", "content": "Be brief."}])
    assert body(request, "m", endpoint, official=False)["messages"][0]["role"] == "developer"


def test_a_file(ask: Ask) -> None:
    part = {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}}
    endpoint = ProviderSettings(protocol="openai-chat")
    request = ask(messages=[{"role": "user", "content": [part]}])
    assert body(request, "m", endpoint, official=True)["messages"][0]["content"] == [part]


def test_what_the_protocol_cannot_say_is_refused(ask: Ask) -> None:
    with pytest.raises(ProviderError) as refused:
        body(ask(reasoning_budget=2048), "m", ProviderSettings(protocol="openai-chat"), official=True)
    assert (refused.value.code, refused.value.retryable) == ("bad_request", False)


def test_only_what_was_asked_for_is_there(ask: Ask) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", stream_options=False)
    got = body(ask(), "m", endpoint, official=False)
    assert got == {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}


def test_what_signs_a_call_elsewhere_is_not_sent(ask: Ask) -> None:
    function = {"name": "rain", "arguments": "{}"}
    call = {"id": "c", "type": "function", "function": function, "signature": "c2ln", "provider": "gemini"}
    request = ask(messages=[{"role": "assistant", "tool_calls": [call]}])
    (message,) = body(request, "m", ProviderSettings(protocol="openai-chat"), official=False)["messages"]
    assert message == {
        "role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }  # fmt: skip


def test_texts_that_have_a_place_in_an_answer_are_one(ask: Ask) -> None:
    texts = [{"type": "text", "text": "a", "part": 0}, {"type": "text", "text": "b", "part": 2}]
    plain = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    answers = [{"role": "assistant", "content": texts}, {"role": "assistant", "content": plain}]
    sent = body(ask(messages=answers), "m", ProviderSettings(protocol="openai-chat"), official=True)["messages"]
    assert [message["content"] for message in sent] == ["ab", plain]


@pytest.mark.parametrize("preset", ["vllm", "deepseek", "llamacpp"])
def test_reasoning_goes_back_in_the_presets_field(ask: Ask, preset: str) -> None:
    endpoint = ProviderSettings.model_validate({"preset": preset})
    request = ask(messages=[{"role": "assistant", "content": "Yes.", "reasoning": [{"text": "Hm."}]}])
    (message,) = body(request, "m", endpoint, official=False)["messages"]
    field = "reasoning" if preset == "vllm" else "reasoning_content"
    assert message == {"role": "assistant", "content": "Yes.", field: "Hm."}


BEGUN = {"role": "assistant", "content": "The sky"}


@pytest.mark.parametrize(
    ("way", "message", "fields"),
    [
        ("assistant", BEGUN, {}),
        ("prefix", BEGUN | {"prefix": True}, {}),
        ("mistral", BEGUN | {"prefix": True}, {}),
        ("deepseek", BEGUN | {"prefix": True}, {}),
        ("vllm", BEGUN, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
def test_an_answer_goes_on_in_the_way_of_the_endpoint(
    ask: Ask, way: Any, message: dict[str, Any], fields: dict[str, Any]
) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", prefill=way)
    plain = body(ask(), "m", endpoint, official=False)
    got = body(ask(), "m", endpoint, official=False)
    prefill(got, Prefix("The sky "), endpoint)
    assert got == plain | fields | {"messages": [*plain["messages"], message]}


def test_the_reasoning_so_far_goes_with_it(ask: Ask) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", prefill="deepseek")
    got = body(ask(), "m", endpoint, official=False)
    prefill(got, Prefix("x", reasoning="Hm"), endpoint)
    assert got["messages"][-1]["reasoning_content"] == "Hm"
