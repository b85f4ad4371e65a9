"""Reasoning that gateways pass on: read with what its maker wants back, and sent to nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from shared.config.provider_settings import ProviderSettings
from shared.request.dumped_reasoning import LITELLM_TAG
from shared.request.generation_request import GenerationRequest
from worker.providers.openai_chat.reasoning import Thought, read_block, read_detail
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
