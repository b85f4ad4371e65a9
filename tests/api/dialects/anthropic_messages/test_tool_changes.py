"""Which tools the model is offered."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.anthropic_messages.tool_changes import ToolChanges
from api.problems.problem import ProblemError
from tests.api.dialects.anthropic_messages.conftest import native, reading, refused

SCHEMA = {"type": "object", "properties": {}}
NOW = {"name": "now", "input_schema": SCHEMA}
LATER = {"name": "later", "input_schema": SCHEMA, "defer_loading": True}
SEARCH = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
GO = {"role": "user", "content": "Go."}
FOUND = [
    GO,
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "now", "input": {}}]},
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "later"}]}
        ],
    },
]


def change(kind: str, **tool: Any) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": kind, "tool": {"type": "tool_reference", **tool}}]}


def offered(*messages: Any, protocol: Any = "openai-chat", tools: Any = (NOW, LATER)) -> list[str]:
    found = native(protocol, messages=list(messages), tools=list(tools))
    return [tool["function"]["name"] for tool in found.get("tools", [])]


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic"])
def test_a_deferred_tool_is_offered_once_it_was_found_or_added(protocol: Any) -> None:
    assert offered(GO, protocol=protocol) == ["now"]
    assert offered(*FOUND, protocol=protocol) == ["now", "later"]
    assert offered(GO, change("tool_addition", name="later"), protocol=protocol) == ["now", "later"]


def test_what_was_found_is_said_to_the_model() -> None:
    assert native(messages=FOUND, tools=[NOW, LATER])["messages"][2] == {
        "role": "tool",
        "tool_call_id": "t",
        "content": [{"type": "text", "text": "The tool later can be called now."}],
    }


def test_a_tool_that_was_withdrawn_is_offered_no_more() -> None:
    assert offered(GO, change("tool_removal", name="now"), tools=[NOW]) == []
    again = [change("tool_removal", name="now"), change("tool_addition", name="now")]
    assert offered(GO, *again, tools=[NOW]) == ["now"]


def test_a_tool_may_be_defined_where_it_is_added() -> None:
    added = change("tool_addition", type="tool_definition", definition=NOW)
    assert offered(GO, added, tools=[]) == ["now"]
    wrong = change("tool_addition", type="tool_definition", definition={**NOW, "odd": 1})
    assert refused(messages=[GO, wrong]) == "/messages/1/content/0/tool/definition/odd"


def test_changes_alone_are_no_message() -> None:
    messages = [GO, change("tool_removal", name="now")]
    assert reading(messages=messages, tools=[NOW]).native["messages"] == [GO]


def test_anthropics_own_search_finds_deferred_tools_itself() -> None:
    found = native("anthropic", messages=[GO], tools=[NOW, LATER, SEARCH])
    assert [tool["function"]["name"] for tool in found["tools"]] == ["now"]
    assert found["extra"] == {"up": {"tools": [LATER, SEARCH]}}


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        ({"type": "tool_addition"}, "/b/tool"),
        ({"type": "tool_addition", "tool": {"type": "tool_reference"}}, "/b/tool/name"),
        ({"type": "tool_addition", "tool": {"type": "mcp_toolset_reference", "server_name": "s"}}, "/b/tool"),
        ({"type": "tool_removal", "tool": {"type": "tool_definition", "definition": NOW}}, "/b/tool"),
        ({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {}}}, "/b/tool/definition/name"),
        ({"type": "tool_removal", "odd": 1}, "/b/odd"),
    ],
)
def test_what_is_wrong_is_named(block: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        ToolChanges().take(block, "/b")
    assert [error.pointer for error in raised.value.errors] == [pointer]
