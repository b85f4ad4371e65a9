"""What a protocol cannot say is named before anything is queued."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.capabilities import lacks
from shared.request.generation_request import GenerationRequest

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
OPENROUTER = ProviderSettings(protocol="openai-chat", reasoning="openrouter")


def user(*parts: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts) or "?", **fields}]


def called(arguments: str) -> dict[str, Any]:
    call = {"id": "a", "type": "function", "function": {"name": "rain", "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


def file(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def image(**fields: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": fields}


def pointers(protocol: Protocol, fields: dict[str, Any], endpoint: ProviderSettings | None = None) -> list[str]:
    request = GenerationRequest.model_validate({"model": "a/claude-opus-4-5", "messages": user(), **fields})
    return [lack.pointer for lack in lacks(request, protocol, endpoint)]


LABELS = {"user": "u", "prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex"}
TOKENS = {"logprobs": True, "top_logprobs": 3, "logit_bias": {"50256": -100}}
IDLE = {"logprobs": False, "top_logprobs": 0, "verbosity": "medium"}
"""What asks for nothing."""


def marked() -> list[dict[str, Any]]:
    mark = {"type": "ephemeral"}
    call = called("{}")
    call["tool_calls"][0]["cache_control"] = mark
    result = {"role": "tool", "tool_call_id": "a", "content": "x", "is_error": True, "cache_control": mark}
    return [*user({"type": "text", "text": "x", "cache_control": mark}), call, result]


TOOLS = [{"type": "function", "function": {"name": "rain"}}]
TOOL = {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "x"}, IMAGE]}


@pytest.mark.parametrize(
    ("protocol", "fields", "expected"),
    [
        ("openai-chat", {"messages": [*user(), called("{"), TOOL]}, "/messages/2/content/1"),
        (
            "openai-chat",
            {"messages": user(IMAGE, file(file_url="https://example.com/a.pdf"))},
            "/messages/0/content/1/file/file_url",
        ),
        ("openai-chat", {"top_k": 5}, "/top_k"),
        *(
            ("openai-responses", {name: value}, f"/{name}")
            for name, value in {
                "stop": "x",
                "seed": 0,
                "frequency_penalty": 0.0,
                "presence_penalty": 0.0,
                "top_k": 5,
                "logit_bias": {"1": 1},
            }.items()
        ),
        ("openai-responses", {"messages": user(name="a")}, "/messages/0/name"),
        ("anthropic", {"seed": 0}, "/seed"),
        ("anthropic", {"frequency_penalty": 0.0}, "/frequency_penalty"),
        ("anthropic", {"presence_penalty": 0.0}, "/presence_penalty"),
        ("anthropic", {"temperature": 1.01}, "/temperature"),
        ("anthropic", {"response_format": {"type": "json_object"}}, "/response_format/type"),
        ("anthropic", {"tool_choice": "required"}, "/tool_choice"),
        ("anthropic", {"reasoning_budget": 1023}, "/reasoning_budget"),
        ("anthropic", {"reasoning_budget": 2000, "max_tokens": 2000}, "/reasoning_budget"),
        ("anthropic", {"logprobs": True}, "/logprobs"),
        ("anthropic", {"logit_bias": {"1": 1}}, "/logit_bias"),
        ("anthropic", {"verbosity": "low"}, "/verbosity"),
        ("anthropic", {"top_k": 5, "model": "a/claude-opus-4-7"}, "/top_k"),
        ("anthropic", {"top_k": 1, "model": "a/claude-sonnet-5"}, "/top_k"),
        ("gemini", {"logit_bias": {"1": 1}}, "/logit_bias"),
        ("gemini", {"verbosity": "high"}, "/verbosity"),
        ("anthropic", {"temperature": 0.9, "model": "a/claude-opus-4-7"}, "/temperature"),
        ("anthropic", {"top_p": 0.9, "model": "a/claude-sonnet-5"}, "/top_p"),
        ("anthropic", {"temperature": 1, "top_p": 1}, "/top_p"),
        *(
            ("anthropic", {"reasoning_effort": "none", "model": f"a/{model}"}, "/reasoning_effort")
            for model in ("claude-opus-5-5", "claude-fable-5", "claude-mythos-5-1")
        ),
        *(
            ("anthropic", {"tools": TOOLS, "tool_choice": choice, "model": f"a/{model}"}, "/tool_choice")
            for choice in ("required", {"type": "function", "function": {"name": "rain"}})
            for model in ("claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1")
        ),
        ("anthropic", {"messages": [{"role": "system", "content": "x"}]}, "/messages"),
        ("anthropic", {"messages": [{"role": "user", "content": ""}]}, "/messages"),
        ("anthropic", {"messages": user(name="ada")}, "/messages/0/name"),
        *(
            ("anthropic", {"messages": [*user(), called(text)]}, "/messages/1/tool_calls/0/function/arguments")
            for text in ("{", "[]", "1", "[" * 100_000)
        ),
        (
            "anthropic",
            {"messages": user(image(url="data:image/bmp;base64,aGk="))},
            "/messages/0/content/0/image_url/url",
        ),
        (
            "anthropic",
            {"messages": user(image(url="https://example.com/", detail="low"))},
            "/messages/0/content/0/image_url/detail",
        ),
        (
            "anthropic",
            {"messages": user(file(file_data="data:application/zip;base64,aGk="))},
            "/messages/0/content/0/file/file_data",
        ),
    ],
)
def test_it_is_named(protocol: Protocol, fields: dict[str, Any], expected: str) -> None:
    assert pointers(protocol, fields) == [expected]


@pytest.mark.parametrize(
    ("protocol", "fields", "endpoint"),
    [
        ("openai-chat", {"messages": user(file(file_data="data:application/pdf;base64,aGk="), IMAGE)}, None),
        ("openai-chat", {"reasoning_budget": 1, "temperature": 2.0, "seed": 1}, OPENROUTER),
        ("openai-chat", {"response_format": {"type": "json_object"}}, None),
        ("openai-chat", {"reasoning_budget": 2048, **LABELS, **TOKENS, "verbosity": "low"}, None),
        ("openai-chat", {"top_k": 5}, ProviderSettings.model_validate({"preset": "openrouter"})),
        ("openai-chat", {"top_k": 5, "messages": marked()}, ProviderSettings.model_validate({"preset": "vllm"})),
        ("openai-responses", {"reasoning_budget": 2048, **LABELS, "messages": marked(), "verbosity": "high"}, None),
        ("openai-responses", {"logprobs": True, "top_logprobs": 3}, None),
        *(
            ("anthropic", {"reasoning_budget": budget, "max_tokens": 900, "model": f"a/{model}"}, None)
            for budget in (1, 20_000)
            for model in (
                "claude-opus-4-7",
                "claude-opus-4-8",
                "claude-sonnet-5",
                "claude-fable-5-1",
                "claude-haiku-5-5",
            )
        ),
        ("anthropic", {**LABELS, "top_k": 5, "messages": marked(), **IDLE}, None),
        ("gemini", {**LABELS, "top_k": 5, "logprobs": True, "top_logprobs": 3, "verbosity": "medium"}, None),
        (
            "openai-responses",
            {"messages": [*user(file(file_url="https://example.com/a.pdf")), called("{"), TOOL]},
            None,
        ),
        ("openai-responses", {"response_format": {"type": "json_object"}, "temperature": 2.0}, None),
        ("anthropic", {"reasoning_budget": 1999, "max_tokens": 2000, "temperature": 1.0}, None),
        ("anthropic", {"messages": [*user(), called(""), TOOL]}, None),
        ("anthropic", {"reasoning_budget": 2000, "model": "a/claude-sonnet-4-6", "temperature": 0.5}, None),
        ("anthropic", {"temperature": 1, "top_p": 1, "reasoning_effort": "none", "model": "a/claude-opus-5"}, None),
        ("anthropic", {"temperature": 0.5, "top_p": 0.5, "model": "a/glm-5"}, None),
        ("anthropic", {"tools": TOOLS, "tool_choice": "required", "model": "a/claude-fable-5"}, None),
        ("anthropic", {"messages": user(file(file_url="https://example.com/a.pdf"), IMAGE)}, None),
        ("anthropic", {"messages": user(file(file_data="data:text/markdown,x"))}, None),
    ],
)
def test_what_can_be_said(protocol: Protocol, fields: dict[str, Any], endpoint: ProviderSettings | None) -> None:
    assert pointers(protocol, fields, endpoint) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [(None, []), ("2023-06-01", []), ("2026-10-21", ["/temperature"]), ("2027-01-01", ["/temperature"])],
)
def test_a_fixed_version_of_anthropic_may_have_no_sampling(version: str | None, expected: list[str]) -> None:
    endpoint = ProviderSettings(protocol="anthropic", anthropic_version=version)
    assert pointers("anthropic", {"temperature": 0.5}, endpoint) == expected
    assert pointers("anthropic", {"temperature": 1}, endpoint) == []


@pytest.mark.parametrize("protocol", get_args(Protocol))
def test_what_comes_before_is_not_known_yet_where_another_is_gone_on_from(protocol: Protocol) -> None:
    result = {"role": "tool", "tool_call_id": "of the answer before", "content": "x"}
    system = {"role": "system", "content": "Be brief."}
    for messages in ([result], [system]):
        assert pointers(protocol, {"messages": messages, "previous": "gen_x"}) == []
