"""What the operator has fixed, nobody chooses."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.ai_sdk.fixed import fixed
from shared.config.chat_settings import ChatSettings
from shared.config.settings import Settings, load

USER = {"role": "user", "parts": []}
SYSTEM = {"role": "system", "parts": []}


def settings(**chat: Any) -> Settings:
    return load(simulator_url="http://127.0.0.1:9", chat=ChatSettings(**chat))


def test_nothing_is_fixed() -> None:
    body = {"model": "a/b", "extra": {}}
    assert fixed(body, settings()) == (body, ())


def test_what_is_fixed_counts() -> None:
    chosen = {"model": "a/b", "system": "Obey.", "tools": {"x": {}}, "fallback": ["c/d"], "extra": {"a": {}}, "seed": 1}
    tools = {"get": {"description": "Gets."}}
    chat = settings(model="simulator/lorem", system="Be kind.", tools=tools)
    found = fixed(chosen | {"messages": [SYSTEM, USER]}, chat)
    assert found.fields == {
        "model": "simulator/lorem", "system": "Be kind.", "tools": tools, "seed": 1, "messages": [None, USER],
    }  # fmt: skip
    assert found.ignored == ("model", "system", "tools", "fallback", "extra", "messages.system")


def test_who_asks_for_the_same_is_told_nothing() -> None:
    assert fixed({"model": "simulator/lorem"}, settings(model="simulator/lorem")).ignored == ()


def test_no_tools_at_all() -> None:
    assert fixed({"tools": {"x": {}}}, settings(tools={})).fields == {"tools": None}
    kept = fixed({"system": "Mine.", "messages": [SYSTEM]}, settings(tools={})).fields
    assert (kept["system"], kept["messages"]) == ("Mine.", [SYSTEM])


@pytest.mark.parametrize("name", ["toolChoice", "tool_choice"])
def test_no_choice_among_no_tools(name: str) -> None:
    """It would be refused, as whoever wrote the page cannot know."""
    found = fixed({name: "required", "tools": {"x": {}}}, settings(tools={}))
    assert (found.fields, found.ignored) == ({"tools": None}, ("tools", name))
    assert fixed({name: "none"}, settings(tools={"x": {}})).fields[name] == "none"
