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

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


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
        ({"reasoning": "litellm"}, {"reasoning_budget": 5000}, {"reasoning_effort": "medium"}),
        ({}, {"reasoning_budget": 99}, {"reasoning_effort": "low"}),
        ({"preset": "vllm"}, {"top_k": 5, "logit_bias": {"1": -5}}, {"top_k": 5, "logit_bias": {"1": -5}}),
        ({}, {"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        # Groq refuses the field, whatever it says.
        ({"preset": "groq"}, {"logprobs": False, "top_logprobs": 0}, {}),
        ({}, {"verbosity": "low", "service_tier": "flex"}, {"verbosity": "low", "service_tier": "flex"}),
        ({}, {"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({}, {"user": "u", "prompt_cache_key": "k" * 64}, {"user": "u", "prompt_cache_key": "k" * 64}),
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
        body(ask(top_k=5), "m", ProviderSettings(protocol="openai-chat"), official=True)
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


MARK = {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        ({"preset": "openrouter"}, True),
        ({"preset": "litellm"}, True),
        ({"protocol": "openai-chat", "cache_control": True}, True),
        ({"preset": "openrouter", "cache_control": False}, False),
        ({"protocol": "openai-chat"}, False),
        ({"preset": "mistral"}, False),
    ],
)
def test_marks_of_a_cached_prompt(ask: Ask, settings: dict[str, Any], taken: bool) -> None:
    endpoint = ProviderSettings.model_validate(settings)
    mark: dict[str, Any] = {"cache_control": MARK} if taken else {}
    call = {"id": "c", "type": "function", "function": {"name": "rain", "arguments": "{}"}}
    request = ask(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": MARK}]},
            {"role": "user", "content": [{"type": "text", "text": "u"}, {**PICTURE, "cache_control": MARK}]},
            {"role": "assistant", "content": [{"type": "text", "text": "a", "cache_control": MARK}],
             "tool_calls": [call | {"cache_control": MARK}]},
            {"role": "tool", "tool_call_id": "c", "content": "r", "cache_control": MARK},
        ],
        tools=[{"type": "function", "function": {"name": "rain"}, "cache_control": MARK}],
    )  # fmt: skip
    got = body(request, "m", endpoint, official=False)
    assert got["tools"] == [{"type": "function", "function": {"name": "rain"}, **mark}]
    assert got["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "s", **mark}]},
        {"role": "user", "content": [{"type": "text", "text": "u"}, PICTURE | mark]},
        {"role": "assistant", "content": [{"type": "text", "text": "a", **mark}], "tool_calls": [call]},
        {
            "role": "tool",
            "tool_call_id": "c",
            "content": [{"type": "text", "text": "r", "cache_control": MARK}] if taken else "r",
        },
    ]


def test_a_failed_result_says_so_in_its_text(ask: Ask) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "rain", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "c", "content": "", "is_error": True}
    request = ask(messages=[{"role": "assistant", "tool_calls": [call]}, result])
    got = body(request, "m", ProviderSettings(protocol="openai-chat"), official=True)["messages"][-1]
    assert got == {"role": "tool", "tool_call_id": "c", "content": "Error"}
