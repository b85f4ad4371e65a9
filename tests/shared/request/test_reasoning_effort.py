"""A budget of reasoning, for those who take an effort only."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from shared.request.reasoning_effort import with_effort
from worker.providers.anthropic.request import THINKING_TOKENS

OPENROUTER = ProviderSettings(protocol="openai-chat", reasoning="openrouter")
LITELLM = ProviderSettings(protocol="openai-chat", reasoning="litellm")


def asked(**fields: Any) -> GenerationRequest:
    return GenerationRequest.model_validate({"model": "a/b", "messages": [{"role": "user", "content": "?"}], **fields})


@pytest.mark.parametrize(
    ("budget", "effort"),
    [
        *((1, "low"), (1024, "low"), (4096, "low"), (4097, "medium"), (12_288, "medium"), (12_289, "high")),
        (1_000_000, "high"),
        # What Messages makes of these efforts is these efforts again.
        *((THINKING_TOKENS[effort], effort) for effort in ("low", "medium", "high")),
    ],
)
def test_a_budget_becomes_an_effort(budget: int, effort: str) -> None:
    became = with_effort(asked(reasoning_budget=budget), "openai-responses", "gpt-5", None)
    assert (became.reasoning_effort, became.reasoning_budget) == (effort, None)


@pytest.mark.parametrize(
    ("protocol", "model", "endpoint", "kept"),
    [
        ("openai-chat", "m", None, False),
        ("openai-chat", "m", LITELLM, False),
        ("openai-chat", "m", OPENROUTER, True),
        ("openai-responses", "m", None, False),
        ("anthropic", "claude-sonnet-4-6", None, True),
        ("anthropic", "glm-5", None, True),
        ("anthropic", "claude-opus-4-7", None, False),
        ("gemini", "gemini-3-pro", None, True),
    ],
)
def test_who_takes_a_number(protocol: Protocol, model: str, endpoint: ProviderSettings | None, kept: bool) -> None:
    request = asked(reasoning_budget=2048)
    assert (with_effort(request, protocol, model, endpoint) is request) is kept


def test_what_has_no_budget_stays_as_it_is() -> None:
    for request in (asked(), asked(reasoning_effort="xhigh")):
        assert with_effort(request, "openai-responses", "gpt-5", None) is request
