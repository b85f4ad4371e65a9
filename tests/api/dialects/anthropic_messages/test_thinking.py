"""How much to think, and in which form to answer."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.protocols import Protocol
from tests.api.dialects.anthropic_messages.conftest import USER, native, refused

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
WHOLE = {**SCHEMA, "required": ["a"], "additionalProperties": False}


def asked(protocol: Protocol = "openai-chat", /, **body: Any) -> dict[str, Any]:
    """What a body asks more than one that says nothing of it."""
    plain = native(protocol)
    return {name: value for name, value in native(protocol, **body).items() if name not in plain}


def test_a_budget() -> None:
    body = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert asked(**body) == asked("anthropic", **body) == {"reasoning_budget": 2048}


def test_an_effort_says_it_better_than_a_budget_where_there_are_efforts() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048}
    body: dict[str, Any] = {"thinking": thinking, "output_config": {"effort": "low"}}
    assert asked(**body) == {"reasoning_effort": "low"}
    assert asked("anthropic", **body) == {
        "reasoning_budget": 2048,
        "extra": {"up": {"output_config": {"effort": "low"}}},
    }


@pytest.mark.parametrize(("effort", "expected"), [("low", "low"), ("xhigh", "xhigh"), ("max", "xhigh")])
def test_efforts(effort: str, expected: str) -> None:
    body: dict[str, Any] = {"output_config": {"effort": effort}, "thinking": {"type": "adaptive"}}
    assert asked(**body) == {"reasoning_effort": expected}
    assert asked("anthropic", **body) == {
        "reasoning_effort": expected,
        "extra": {"up": {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}},
    }


def test_the_effort_of_the_turn_counts_first() -> None:
    turn: list[Any] = [USER, {"role": "system", "content": [], "output_config": {"effort": "low"}}]
    body: dict[str, Any] = {"messages": turn, "output_config": {"effort": "max"}}
    assert asked(**body) == {"reasoning_effort": "low"}
    assert asked("anthropic", **body) == {"extra": {"up": {"output_config": {"effort": "low"}}}}
    turn[1]["output_config"] = {"effort": "huge"}
    assert refused(**body) == "/output_config/effort"


def test_an_effort_alone_does_not_make_claude_think() -> None:
    body = {"output_config": {"effort": "high"}}
    assert asked(**body) == {"reasoning_effort": "high"}
    assert asked("anthropic", **body) == {"extra": {"up": {"output_config": {"effort": "high"}}}}


def test_adaptive_thinking_is_what_a_model_does_by_itself() -> None:
    assert asked(thinking={"type": "adaptive"}) == {}


def test_no_thinking() -> None:
    assert asked(thinking={"type": "disabled"}) == {"reasoning_effort": "none"}
    assert asked("anthropic", thinking={"type": "disabled"}) == {"reasoning_effort": "none"}
    assert asked(thinking={"type": "between_tools"}) == {"reasoning_effort": "none"}
    passed = {"extra": {"up": {"thinking": {"type": "between_tools"}}}}
    assert asked("anthropic", thinking={"type": "between_tools"}) == passed


def test_how_thinking_is_shown_is_for_anthropic() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}
    assert asked(thinking=thinking) == {"reasoning_budget": 2048}
    assert asked("anthropic", thinking=thinking) == {
        "reasoning_budget": 2048,
        "extra": {"up": {"thinking": thinking}},
    }


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_a_schema(name: str) -> None:
    def body(schema: Any) -> dict[str, Any]:
        form = {"type": "json_schema", "schema": schema}
        return {name: {"format": form} if name == "output_config" else form}

    expected = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert asked(**body(SCHEMA)) == asked("anthropic", **body(SCHEMA)) == {"response_format": expected}
    assert asked(**body(WHOLE))["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": WHOLE,
        "strict": True,
    }


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": SCHEMA}, "required": ["a"], "additionalProperties": False}, None),
        ({"type": "object", "properties": {"a": WHOLE}, "required": ["a"], "additionalProperties": False}, True),
        ({**WHOLE, "$defs": {"b": SCHEMA}}, None),
        ({**WHOLE, "anyOf": [SCHEMA]}, None),
        ({"type": "object", "additionalProperties": False}, None),
        ({**WHOLE, "required": 5}, None),
    ],
)
def test_a_schema_is_strict_where_it_says_everything(schema: dict[str, Any], strict: bool | None) -> None:
    form = asked(output_config={"format": {"type": "json_schema", "schema": schema}})["response_format"]
    assert form["json_schema"].get("strict") == strict


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"thinking": {"type": "enabled"}}, "/thinking/budget_tokens"),
        ({"thinking": {"type": "much"}}, "/thinking/type"),
        ({"thinking": {"type": "adaptive", "odd": 1}}, "/thinking/odd"),
        ({"thinking": True}, "/thinking"),
        ({"output_config": {"effort": "huge"}}, "/output_config/effort"),
        ({"output_config": {"effort": ["low"]}}, "/output_config/effort"),
        ({"output_config": {"task_budget": {"type": "tokens"}}}, "/output_config/task_budget"),
        ({"output_config": {"odd": 1}}, "/output_config/odd"),
        ({"output_config": {"format": {"type": "text"}}}, "/output_config/format/type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "/output_config/format/schema"),
        (
            {"output_format": {"type": "json_schema"}, "output_config": {"format": {"type": "json_schema"}}},
            "/output_format",
        ),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], pointer: str) -> None:
    assert refused(**body) == pointer
