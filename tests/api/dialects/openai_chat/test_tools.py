"""Which tools may be called, and which of them somebody else runs."""

from __future__ import annotations

from typing import Any

from api.dialects.openai_chat.tools import Tools

F, G = ({"type": "function", "function": {"name": name}} for name in "fg")


def tools(tools: Any, choice: Any = None, *, same_protocol: bool = False) -> Tools:
    return Tools(tools, choice, same_protocol=same_protocol)


def test_functions_and_a_choice_are_taken_as_they_are() -> None:
    for choice in ("none", "auto", "required", {"type": "function", "function": {"name": "f"}}):
        assert tools([F, G], choice).native == {"tools": [F, G], "tool_choice": choice}
    assert tools(None).native == {}


def test_allowed_tools_are_those_that_are_sent() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [G, {"type": "x"}]}}
    read = tools([F, G], choice)
    assert read.native == {"tools": [G], "tool_choice": "required"}
    assert read.places == [1]
    assert not read.errors


def test_allowed_tools_among_those_that_the_provider_runs_are_its_own_to_choose() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [F]}}
    read = tools([F, {"type": "web_search"}], choice, same_protocol=True)
    assert read.extra == {"tools": [{"type": "web_search"}], "tool_choice": choice}
    assert read.native == {"tools": [F]}


def test_allowed_tools_that_are_none_are_named() -> None:
    for allowed in (None, {"mode": "some", "tools": []}, {"mode": "auto"}):
        (error,) = tools([F], {"type": "allowed_tools", "allowed_tools": allowed}).errors
        assert error.pointer == "/tool_choice/allowed_tools"


def test_what_is_no_tool_is_left_to_validation() -> None:
    odd = [5, {"type": 5}, {}]
    assert tools(odd).native == {"tools": odd}
