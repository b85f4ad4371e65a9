"""An earlier answer as Messages: in its own order, and with unsigned thinking only for whom it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.anthropic.adapter import AnthropicAdapter
from worker.providers.anthropic.answer import answer_blocks, takes_unsigned
from worker.providers.anthropic.contents import texts

CALL = {"id": "a", "function": {"name": "rain", "arguments": '{"x":1}'}}


def answer(**fields: Any) -> AssistantMessage:
    return AssistantMessage.model_validate({"role": "assistant", **fields})


def signed(text: str, part: int | None = None) -> dict[str, Any]:
    return {"text": text, "signature": "c2ln", "provider": "anthropic", "part": part}


def test_thinking_and_calls_go_back_as_they_took_turns() -> None:
    message = answer(
        reasoning=[signed("First.", 0), signed("Second.", 3)],
        content="Let me look.",
        tool_calls=[{**CALL, "part": 2}, {**CALL, "id": "b", "part": 4}],
    )
    assert answer_blocks(message, unsigned=False) == [
        {"type": "thinking", "thinking": "First.", "signature": "c2ln"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "a", "name": "rain", "input": {"x": 1}},
        {"type": "thinking", "thinking": "Second.", "signature": "c2ln"},
        {"type": "tool_use", "id": "b", "name": "rain", "input": {"x": 1}},
    ]


def test_without_places_the_order_is_that_of_a_message() -> None:
    message = answer(reasoning=[signed("Hm.")], content="Yes.", refusal="No.", tool_calls=[CALL])
    blocks = answer_blocks(message, unsigned=False)
    assert [(block["type"], block.get("text")) for block in blocks] == [
        ("thinking", None), ("text", "Yes."), ("text", "No."), ("tool_use", None),
    ]  # fmt: skip
    assert texts("") == []


@pytest.mark.parametrize(
    ("base_url", "model", "taken"),
    [
        ("https://api.anthropic.com", "claude-opus-5", False),
        ("https://api.anthropic.com", "opus-by-another-name", False),
        ("https://eu.anthropic.com/", "m", False),
        (None, "m", False),
        ("https://api.deepseek.com/anthropic", "deepseek-v4-pro", True),
        ("https://api.moonshot.ai/anthropic", "kimi-k3", True),
        ("https://anthropic.com.evil.test", "m", True),
        ("https://notanthropic.com", "m", True),
        ("http://127.0.0.1:9", "m", True),
        # Claude elsewhere.
        ("https://gateway.test", "anthropic/claude-sonnet-5", False),
        ("https://bedrock.test", "us.anthropic.Claude-sonnet-5-v1:0", False),
    ],
)
def test_who_takes_unsigned_thinking(base_url: str | None, model: str, taken: bool) -> None:
    assert takes_unsigned(model, ProviderSettings(protocol="anthropic", base_url=base_url)) is taken
    assert takes_unsigned(model, None) is False


@pytest.mark.parametrize(("model", "kinds"), [("deepseek-v4-pro", 3), ("claude-sonnet-5", 2)])
async def test_unsigned_thinking_over_http(
    upstream: Upstream, ask: Callable[..., GenerationRequest], model: str, kinds: int
) -> None:
    thoughts = [{"text": "Plain."}, signed("Signed."), {"text": "OpenAI's", "encrypted": "b3A=", "provider": "openai"}]
    message = {"role": "assistant", "reasoning": thoughts, "tool_calls": [CALL]}
    provider = AnthropicAdapter("acme", ProviderSettings(protocol="anthropic", base_url=upstream.url))
    upstream.reply = Reply([b"data: {}\n\n"])
    result = {"role": "tool", "tool_call_id": "a", "content": "12:00"}
    await outcome(provider, ask(messages=[{"role": "user", "content": "?"}, message, result]), model)
    await provider.aclose()
    assert upstream.calls[0].body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Plain.", "signature": ""},
        {"type": "thinking", "thinking": "Signed.", "signature": "c2ln"},
        {"type": "tool_use", "id": "a", "name": "rain", "input": {"x": 1}},
    ][3 - kinds :]  # fmt: skip
