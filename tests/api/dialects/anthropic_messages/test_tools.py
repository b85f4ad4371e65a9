"""Tools and their choice."""

from __future__ import annotations

from typing import Any

import pytest

from api.problems.problem import ProblemError
from shared.config.protocols import Protocol
from tests.api.dialects.anthropic_messages.conftest import native, refused

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = {"name": "f", "input_schema": SCHEMA}
OURS = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}


def test_a_tool() -> None:
    mark = {"type": "ephemeral"}
    full = {**TOOL, "type": "custom", "description": "d", "strict": True, "cache_control": mark}
    assert native(tools=[TOOL, full])["tools"] == [
        OURS,
        {
            "type": "function",
            "function": {"name": "f", "parameters": SCHEMA, "description": "d", "strict": True},
            "cache_control": mark,
        },
    ]


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic"])
def test_fields_that_say_nothing_are_left_out(protocol: Protocol) -> None:
    nothing = {"defer_loading": False, "allowed_callers": ["direct"], "input_examples": []}
    assert native(protocol, tools=[{**TOOL, **nothing}])["tools"] == [OURS]


def test_a_tool_that_hurries_its_input_does_so_where_it_can() -> None:
    tool = {**TOOL, "eager_input_streaming": True}
    assert native(tools=[tool])["tools"] == [OURS]
    assert native("anthropic", tools=[tool])["extra"] == {"up": {"tools": [tool]}}


@pytest.mark.parametrize(
    ("tool", "pointer"),
    [
        (SEARCH, "/tools/0/type"),
        ({**TOOL, "allowed_callers": ["code_execution_20260120"]}, "/tools/0/allowed_callers"),
        ({**TOOL, "input_examples": [{"a": "x"}]}, "/tools/0/input_examples"),
        ({**TOOL, "odd": 1}, "/tools/0/odd"),
    ],
)
def test_what_only_anthropic_knows_is_passed_on_or_refused(tool: dict[str, Any], pointer: str) -> None:
    found = native("anthropic", tools=[TOOL, tool], tool_choice={"type": "any"})
    assert (found["tools"], found["tool_choice"], found["extra"]) == ([OURS], "required", {"up": {"tools": [tool]}})
    assert refused(tools=[tool]) == pointer


def test_the_choice_among_anthropics_own_tools_is_passed_on() -> None:
    choice = {"type": "tool", "name": "web_search"}
    found = native("anthropic", tools=[SEARCH], tool_choice=choice)
    assert found["extra"] == {"up": {"tools": [SEARCH], "tool_choice": choice}}
    assert not found.keys() & {"tools", "tool_choice"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False},
        ),
    ],
)
def test_choices(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    assert native(tools=[TOOL], tool_choice=choice) == {**native(tools=[TOOL]), **expected}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"tools": [{"input_schema": {}}]}, "/tools/0/name"),
        ({"tools": [{"name": "f"}]}, "/tools/0/input_schema"),
        ({"tools": {"name": "f"}}, "/tools"),
        ({"tool_choice": "auto"}, "/tool_choice"),
        ({"tool_choice": {"type": "required"}}, "/tool_choice/type"),
        ({"tool_choice": {"type": "tool"}}, "/tool_choice/name"),
        ({"tool_choice": {"type": "auto", "odd": 1}}, "/tool_choice/odd"),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}}, "/tool_choice/disable_parallel_tool_use"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], pointer: str) -> None:
    assert refused("anthropic", **body) == pointer


def test_a_body_may_say_that_there_are_no_tools() -> None:
    assert native(tools=[]) == native()
    with pytest.raises(ProblemError):
        native(tools="")
