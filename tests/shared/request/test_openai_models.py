"""What OpenAI's models refuse, by name; the sources are named in the module."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.capabilities import lacks
from shared.request.generation_request import GenerationRequest
from shared.request.openai_models import OpenAIModel, taken

OFFICIAL = ProviderSettings(protocol="openai-chat", base_url="https://api.openai.com/v1")
TOOLS = [{"type": "function", "function": {"name": "rain"}}]
NEITHER = ["/temperature", "/top_p"]
UNKNOWN = ("gpt-4o", "gpt-4.1-mini", "gpt-35-turbo", "gpt-5-chat-latest", "gpt-oss-120b", "llama-4", "openai/gpt-6-sol")


def asked(model: str, **fields: Any) -> GenerationRequest:
    messages = [{"role": "user", "content": "?"}]
    return GenerationRequest.model_validate({"model": f"a/{model}", "messages": messages, **fields})


def pointers(protocol: Protocol, model: str, endpoint: ProviderSettings | None = None, **fields: Any) -> list[str]:
    return [lack.pointer for lack in lacks(asked(model, **fields), protocol, endpoint)]


@pytest.mark.parametrize("protocol", ["openai-chat", "openai-responses"])
@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        *((model, effort, []) for model in UNKNOWN for effort in (None, "none", "high")),
        *(
            (model, effort, NEITHER)
            for model in ("o3-mini", "o1", "gpt-5", "gpt-5-mini-2025-08-07")
            for effort in (None, "low")
        ),
        *((model, None, []) for model in ("gpt-5.1", "gpt-5.2", "gpt-5.4-mini")),
        *(
            (model, None, NEITHER)
            for model in ("gpt-5.5", "gpt-5.6-sol", "gpt-6-luna", "gpt-6.1-terra", "gpt-6-astra", "gpt-7")
        ),
        *((model, "low", NEITHER) for model in ("gpt-5.1", "gpt-5.4", "gpt-5.6-luna", "gpt-6-sol")),
        *((model, "none", []) for model in ("gpt-5.1", "gpt-5.4", "gpt-5.6-luna", "gpt-6-sol", "gpt-6.1-terra")),
        *(
            (model, "none", ["/reasoning_effort", *NEITHER])
            for model in ("o4-mini", "gpt-5", "gpt-6-astra", "gpt-6.1-sol")
        ),
    ],
)
def test_sampling(protocol: Protocol, model: str, effort: str | None, expected: list[str]) -> None:
    assert pointers(protocol, model, temperature=0.5, top_p=0.5, reasoning_effort=effort) == expected
    # The default is as good as none, and is left out.
    usual = asked(model, temperature=1, top_p=1, reasoning_effort=effort)
    assert [lack.pointer for lack in lacks(usual, protocol)] == [one for one in expected if one not in NEITHER]
    sent = taken(usual, OpenAIModel(model), usual.given("temperature", "top_p"))
    assert sent == ({} if expected else {"temperature": 1, "top_p": 1})


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        *((model, {"stop": "x"}, ["/stop"]) for model in ("o3", "o4-mini", "gpt-5-nano", "gpt-5.1", "gpt-6-astra")),
        *((model, {"stop": "x"}, []) for model in ("o1", "o3-mini", "gpt-4o", "gpt-5-chat-latest")),
        ("gpt-5-mini", {"presence_penalty": 0.5, "frequency_penalty": 0}, ["/presence_penalty"]),
        ("gpt-5.4", {"presence_penalty": 0.5, "frequency_penalty": 0.5}, []),
    ],
)
def test_chat_only(model: str, fields: dict[str, Any], expected: list[str]) -> None:
    assert pointers("openai-chat", model, **fields) == expected


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gpt-5.2", "high", []),
        ("gpt-5.4", None, []),
        ("gpt-5.4", "low", ["/reasoning_effort"]),
        ("gpt-5.6-luna", None, ["/reasoning_effort"]),
        ("gpt-6-sol", "none", []),
        ("gpt-6-astra", None, ["/tools"]),
        ("gpt-6.1-sol", "low", ["/tools"]),
        ("gpt-4o", None, []),
    ],
)
def test_functions_over_chat(model: str, effort: str | None, expected: list[str]) -> None:
    assert pointers("openai-chat", model, OFFICIAL, tools=TOOLS, reasoning_effort=effort) == expected
    # A gateway may ask it over Responses.
    other = ProviderSettings(protocol="openai-chat", base_url="https://gateway.example.com/v1")
    assert pointers("openai-chat", model, other, tools=TOOLS, reasoning_effort=effort) == []
    assert pointers("openai-responses", model, tools=TOOLS, reasoning_effort=effort) == []


@pytest.mark.parametrize("reasoning", ["openrouter", "litellm"])
def test_a_gateway_that_leaves_out_what_a_model_refuses(reasoning: Any) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", reasoning=reasoning)
    assert pointers("openai-chat", "gpt-6-sol", endpoint, temperature=0.5, stop="x", tools=TOOLS) == []


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gpt-4o", {}),
        ("o3", {"minimal": "low", "xhigh": "high"}),
        ("gpt-5", {"xhigh": "high"}),
        ("gpt-5.1", {"minimal": "low", "xhigh": "high"}),
        ("gpt-5.1-codex-max", {"minimal": "low"}),
        ("gpt-5.2", {"minimal": "low"}),
        ("gpt-6-astra", {"minimal": "low"}),
    ],
)
def test_an_effort_is_one_that_the_model_knows(model: str, efforts: dict[str, str]) -> None:
    words = ("none", "minimal", "low", "medium", "high", "xhigh")
    assert {word: named for word in words if (named := OpenAIModel(model).effort(word)) != word} == efforts


def test_calls_in_turn() -> None:
    given = {"parallel_tool_calls": False, "tool_choice": "auto"}
    assert taken(asked("o4-mini"), OpenAIModel("o4-mini"), dict(given)) == {"tool_choice": "auto"}
    assert taken(asked("gpt-6-sol"), OpenAIModel("gpt-6-sol"), dict(given)) == given


@pytest.mark.parametrize("protocol", ["openai-chat", "openai-responses"])
def test_probabilities_while_it_reasons(protocol: Protocol) -> None:
    asks: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}
    assert pointers(protocol, "gpt-5-mini", **asks) == ["/logprobs", "/top_logprobs"]
    assert pointers(protocol, "gpt-5-mini", logprobs=False, top_logprobs=0) == []
    assert pointers(protocol, "gpt-5.2", **asks) == pointers(protocol, "gpt-4o", **asks) == []
    # A budget is an effort there, with which it reasons.
    assert pointers(protocol, "gpt-5.2", **asks, reasoning_budget=5000) == ["/logprobs", "/top_logprobs"]


def test_a_bias_while_it_reasons() -> None:
    assert pointers("openai-chat", "gpt-5-mini", logit_bias={"1": 5}) == ["/logit_bias"]
    assert pointers("openai-chat", "gpt-4o", logit_bias={"1": 5}) == []


def test_a_budget_that_cannot_be_an_effort_is_named() -> None:
    got = pointers("openai-chat", "gpt-6-luna", OFFICIAL, tools=TOOLS, reasoning_budget=5000)
    assert got == ["/reasoning_budget"]
