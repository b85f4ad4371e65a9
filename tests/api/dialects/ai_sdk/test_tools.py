"""Tools by their names, or in Chat's list."""

from __future__ import annotations

from api.dialects.ai_sdk.tools import tools_of

SCHEMA = {"type": "object"}


def test_tools_by_their_names() -> None:
    given = {
        "get": {"description": "Gets.", "inputSchema": SCHEMA},
        "a/b": {"parameters": SCHEMA, "strict": True},
        "made": {"inputSchema": {"jsonSchema": SCHEMA}},
        "bare": {},
        "odd": 1,
    }
    tools = tools_of(given)
    assert tools is not None
    assert [tool["function"] for tool in tools.native] == [
        {"name": "get", "description": "Gets.", "parameters": SCHEMA},
        {"name": "a/b", "strict": True, "parameters": SCHEMA},
        {"name": "made", "parameters": SCHEMA},
        {"name": "bare"},
        1,
    ]
    assert tools.moved["/tools/1/function"] == "/tools/a~1b"


def test_a_list_stays_as_it_is() -> None:
    listed = [{"type": "function", "function": {"name": "get"}}]
    assert tools_of(listed) == (listed, {})
    assert tools_of("get") is None
