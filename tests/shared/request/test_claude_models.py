"""What Claude refuses, by name. What it refuses of sampling, budgets and tools is in test_capabilities."""

from __future__ import annotations

import pytest

from shared.request.capabilities import lacks
from shared.request.claude_models import claude_is, claude_version, takes_prefill
from shared.request.generation_request import GenerationRequest


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-opus-4-7", (4, 7)),
        ("us.anthropic.claude-sonnet-5-20260101-v1:0", (5, 0)),
        ("claude-fable-5.1", (5, 1)),
        ("claude-3-5-sonnet-latest", None),
        ("glm-5", None),
    ],
)
def test_versions(model: str, version: tuple[int, int] | None) -> None:
    assert claude_version(model) == version


def test_families() -> None:
    assert claude_is("claude-opus-5-5", {"opus": (5, 5)})
    assert not claude_is("claude-opus-5-4", {"opus": (5, 5)})
    assert not claude_is("claude-haiku-5-5", {"opus": (5, 5)})


@pytest.mark.parametrize(
    ("model", "goes_on"),
    [
        ("claude-opus-4-6", False),
        ("claude-sonnet-5", False),
        ("claude-sonnet-4-5", True),
        ("claude-3-opus", True),
        ("glm-5", True),
    ],
)
def test_an_answer_as_the_last_word(model: str, goes_on: bool) -> None:
    assert takes_prefill(model) == goes_on
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "It is"},
        {"role": "system", "content": "Be brief."},
    ]
    request = GenerationRequest.model_validate({"model": f"a/{model}", "messages": messages})
    assert [lack.pointer for lack in lacks(request, "anthropic")] == ([] if goes_on else ["/messages/1"])


MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("model", "texts", "expected"),
    [
        ("claude-opus-5", 1, []),
        ("claude-opus-5", 2, ["/messages/2/cache_control"]),
        ("glm-5", 9, []),
    ],
)
def test_marks_of_a_cached_prompt(model: str, texts: int, expected: list[str]) -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}, **MARK}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "?", **MARK}] * texts},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "x", **MARK},
    ]
    tools = [{"type": "function", "function": {"name": "f"}, **MARK}]
    request = GenerationRequest.model_validate({"model": f"a/{model}", "messages": messages, "tools": tools})
    assert [lack.pointer for lack in lacks(request, "anthropic")] == expected
