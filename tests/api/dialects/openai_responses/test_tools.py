"""Tools, and which of them are to be called."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.openai_responses.pointers import Pointers
from api.dialects.openai_responses.tools import Tools
from api.problems.problem import ProblemError

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True, "description": None}
SEE = {"type": "function", "name": "see"}
SEARCH = {"type": "web_search"}


def taken(*tools: dict[str, Any], choice: Any = None, own: bool = False) -> Tools:
    made = Tools(own_protocol=own, pointers=Pointers())
    made.take(list(tools))
    if choice is not None:
        made.choose(choice)
    return made


def test_functions() -> None:
    got = taken(LOOK, SEE)
    assert got.native == [
        {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}},
        {"type": "function", "function": {"name": "see"}},
    ]
    assert got.extra == {}
    assert got.echo["tools"][1] == {**SEE, "description": None, "parameters": None, "strict": None}


def test_a_tool_of_openai_goes_on_where_it_is_known() -> None:
    deferred = {**SEE, "defer_loading": True}
    got = taken(LOOK, SEARCH, deferred, own=True)
    assert [tool["function"]["name"] for tool in got.native] == ["look"]
    assert got.extra == {"tools": [SEARCH, deferred]}
    assert [tool["type"] for tool in got.echo["tools"]] == ["function", "web_search", "function"]


@pytest.mark.parametrize(
    ("tool", "pointer"),
    [(SEARCH, "/tools/1/type"), ({**SEE, "defer_loading": True}, "/tools/1/defer_loading"), ({}, "/tools/1/type")],
)
def test_a_tool_that_the_provider_has_not(tool: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        taken(LOOK, tool)
    assert (raised.value.status, raised.value.errors[0].pointer) == (400, pointer)


def test_where_a_tool_stands() -> None:
    pointers = Pointers()
    Tools(own_protocol=True, pointers=pointers).take([SEARCH, LOOK])
    assert pointers("/tools/0/function/parameters/type") == "/tools/1/parameters/type"


def test_choices() -> None:
    assert taken(LOOK, choice="required").choice == "required"
    named = taken(LOOK, choice={"type": "function", "name": "look"})
    assert named.choice == {"type": "function", "function": {"name": "look"}}
    hosted = taken(SEARCH, choice=SEARCH, own=True)
    assert (hosted.choice, hosted.extra["tool_choice"]) == (None, SEARCH)


def test_only_those_that_are_allowed() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "see"}]}
    got = taken(LOOK, SEE, choice=choice)
    assert [tool["function"]["name"] for tool in got.native] == ["see"]
    assert got.choice == "required"
    assert len(got.echo["tools"]) == 2
    assert taken(LOOK, SEE, choice=choice, own=True).extra["tool_choice"] == choice


@pytest.mark.parametrize(
    ("choice", "pointer"),
    [
        ("some", "/tool_choice"),
        (SEARCH, "/tool_choice/type"),
        ({"type": "allowed_tools", "tools": [{"type": "function", "name": "none"}]}, "/tool_choice/tools"),
    ],
)
def test_a_choice_that_cannot_be_honoured(choice: Any, pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        taken(LOOK, choice=choice)
    assert raised.value.errors[0].pointer == pointer
