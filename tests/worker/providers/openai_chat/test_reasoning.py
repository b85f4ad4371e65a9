"""Reasoning that gateways pass on: read with what its maker wants back, and sent to nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from shared.config.provider_settings import ProviderSettings
from shared.request.dumped_reasoning import LITELLM_TAG
from shared.request.generation_request import GenerationRequest
from worker.providers.openai_chat.reasoning import (
    DATABRICKS_TAG,
    Thought,
    plain_text,
    read_block,
    read_detail,
    read_entry,
    read_opaque,
)
from worker.providers.openai_chat.request import body

Ask = Callable[..., GenerationRequest]


REASONING = [
    {"text": "Hm", "item_id": "rs_1", "summary": True, "provider": "openrouter/openai-responses-v1"},
    {"encrypted": "b3BhcXVl", "item_id": "rs_1", "provider": "openrouter/openai-responses-v1"},
    {"text": "m", "signature": "c2ln", "provider": "openrouter/anthropic-claude-v1"},
    {"text": "plain ", "item_id": None},
    {"text": "signed", "signature": "bGl0ZQ==", "provider": "litellm"},
    {"encrypted": "cmVk", "provider": "litellm"},
    {"text": "Claude's own", "signature": "c2ln", "provider": "anthropic"},
]


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ("effort", {}),
        ("reasoning_content", {"reasoning_content": "plain "}),
        ("reasoning", {"reasoning": "plain "}),
        (
            "openrouter",
            {
                "reasoning_details": [
                    {"format": "openai-responses-v1", "id": "rs_1", "type": "reasoning.summary", "summary": "Hm"},
                    {"format": "openai-responses-v1", "id": "rs_1", "type": "reasoning.encrypted", "data": "b3BhcXVl"},
                    {"format": "anthropic-claude-v1", "type": "reasoning.text", "text": "m", "signature": "c2ln"},
                ]
            },
        ),
        (
            "litellm",
            {
                "reasoning_content": "plain signed",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "signed", "signature": "bGl0ZQ=="},
                    {"type": "redacted_thinking", "data": "cmVk"},
                ],
            },
        ),
    ],
)
def test_reasoning_goes_back_to_whom_it_is_of(ask: Ask, reasoning: Any, expected: dict[str, Any]) -> None:
    endpoint = ProviderSettings(protocol="openai-chat", reasoning=reasoning)
    request = ask(messages=[{"role": "assistant", "content": "Yes.", "reasoning": REASONING}])
    (message,) = body(request, "m", endpoint, official=False)["messages"]
    assert message == {"role": "assistant", "content": "Yes.", **expected}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "reasoning.text", "text": "Hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
            Thought(("reasoning.text", 0), "openrouter/anthropic-claude-v1", text="Hm", signature="c2ln"),
        ),
        (
            {"type": "reasoning.summary", "summary": "Hm", "id": "rs_1", "format": "f"},
            Thought(("reasoning.summary", None), "openrouter/f", text="Hm", summary=True, item_id="rs_1"),
        ),
        (
            {"type": "reasoning.encrypted", "data": "b3A="},
            Thought(("reasoning.encrypted", None), "openrouter/unknown", encrypted="b3A="),
        ),
        ({"type": "reasoning.text", "text": 5, "id": 5}, Thought(("reasoning.text", None), "openrouter/unknown")),
        ({"type": "reasoning.new", "text": "x"}, None),
        ({}, None),
        ("x", None),
        (None, None),
    ],
)
def test_openrouters_details(item: object, expected: Thought | None) -> None:
    assert read_detail(item) == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
            Thought("thinking", LITELLM_TAG, text="Hm", signature="c2ln"),
        ),
        ({"type": "thinking", "signature": None}, Thought("thinking", LITELLM_TAG)),
        ({"type": "redacted_thinking", "data": "cmVk"}, Thought("redacted_thinking", LITELLM_TAG, encrypted="cmVk")),
        ({"type": "text", "text": "x"}, None),
        ([], None),
    ],
)
def test_litellms_blocks(item: object, expected: Thought | None) -> None:
    found = read_block(item)
    assert found == expected
    assert found is None or (found.summary, found.item_id) == (UNSET, UNSET)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Hm", "Hm"),
        (5, "5"),
        (["H", {"text": "m"}], "Hm"),
        ({"type": "text", "text": "Hm"}, "Hm"),
        ({"summary": [{"type": "summary_text", "text": "Hm"}]}, "Hm"),
        ({"text": ""}, ""),
        ([], ""),
        ({"effort": "low"}, None),
        ({"text": "H", "summary": "m"}, None),
        (["H", {"effort": "low"}], None),
        (None, None),
        (True, None),
    ],
)
def test_the_text_of_reasoning(said: object, text: str | None) -> None:
    assert plain_text(said) == text


def test_an_entry_of_a_content_is_signed_or_plain() -> None:
    signed = {"type": "summary_text", "text": "Hm", "signature": "c2ln"}
    assert read_entry({"type": "reasoning", "summary": [signed]}) == [
        Thought("reasoning", DATABRICKS_TAG, text="Hm", signature="c2ln", summary=True)
    ]
    assert read_entry({"type": "thinking", "thinking": "Hm"}) == [Thought(None, DATABRICKS_TAG, text="Hm")]
    assert read_entry({"type": "thinking", "thinking": ["Hm", {"type": "reference"}]}) is None
    assert read_entry({"type": "reasoning", "summary": []}) == [Thought("reasoning", DATABRICKS_TAG, summary=True)]


def test_what_is_opaque_is_text() -> None:
    assert read_opaque("b3A=") == Thought("opaque", "copilot", encrypted="b3A=")
    assert read_opaque({"a": 1}) is None


BACK = [
    {"text": "Hm"},
    {"encrypted": "old", "provider": "copilot"},
    {"encrypted": "b3A=", "provider": "copilot"},
    {"text": "Signed", "signature": "c2ln", "summary": True, "provider": "databricks"},
]
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": True}
SIGNED = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Signed", "signature": "c2ln"}]}
SAID = {"type": "text", "text": "Yes."}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"base_url": "https://api.githubcopilot.com"},
            {"content": [SIGNED, SAID], "reasoning_text": "Hm", "reasoning_opaque": "b3A="},
        ),
        ({"base_url": "https://api.openai.com/v1"}, {"content": "Yes."}),
        ({"base_url": "https://a.openai.azure.com/v1"}, {"content": "Yes."}),
        ({"base_url": "https://api.groq.com/openai/v1"}, {"content": "Yes."}),
        ({"preset": "mistral"}, {"content": [THINKING, SAID]}),
    ],
)
def test_reasoning_in_a_content_and_what_is_opaque_go_back(
    ask: Ask, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    endpoint = ProviderSettings.model_validate({"protocol": "openai-chat", **settings})
    request = ask(messages=[{"role": "assistant", "content": "Yes.", "reasoning": BACK}])
    (message,) = body(request, "m", endpoint, official=False)["messages"]
    assert message == {"role": "assistant", **expected}


def test_reasoning_goes_back_beside_a_call_and_a_list_of_texts(ask: Ask) -> None:
    endpoint = ProviderSettings.model_validate({"preset": "mistral"})
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = {"role": "assistant", "tool_calls": [call], "reasoning": [{"text": "Hm"}]}
    second = {"role": "assistant", "content": [SAID], "reasoning": [{"text": "Hm"}]}
    answer = {"role": "tool", "tool_call_id": "a", "content": "x"}
    messages = body(ask(messages=[first, answer, second]), "m", endpoint, official=False)["messages"]
    assert [messages[0]["content"], messages[2]["content"]] == [[THINKING], [THINKING, SAID]]
