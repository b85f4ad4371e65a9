"""What is in a provider's items: the arguments and the result of each tool, and the rest, once each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.providers.openai_responses.tools import (
    ARGUMENT_OF_CALL,
    ITEM_TYPES,
    TOOL_OF_ITEM,
    arguments_of,
    escaped,
    rest_of,
    result_of,
)


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("mcp_call", {"arguments": '{"a": 1 }'}, '{"a": 1 }'),
        ("mcp_call", {"arguments": None}, ""),
        ("web_search_call", {"action": {"type": "search", "query": "é"}}, '{"type":"search","query":"é"}'),
        ("web_search_call", {"action": None}, "{}"),
        ("file_search_call", {"queries": ["a"], "results": [1]}, '{"queries":["a"]}'),
        ("code_interpreter_call", {"code": "1+1", "container_id": None}, '{"code":"1+1"}'),
        ("image_generation_call", {"size": "1x1", "result": "aGk="}, '{"size":"1x1"}'),
        ("mcp_list_tools", {}, "{}"),
    ],
)
def test_arguments(kind: str, fields: dict[str, Any], text: str) -> None:
    assert arguments_of(kind, fields) == text


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("file_search_call", {"results": [{"a": "é"}]}, '[{"a":"é"}]'),
        ("file_search_call", {"results": None}, None),
        ("mcp_call", {"output": "plain"}, "plain"),
        ("mcp_call", {"output": "", "error": None}, ""),
        # An error is said before what came of it all the same.
        ("mcp_call", {"output": "half", "error": {"code": 5}}, '{"code":5}'),
        ("web_search_call", {"action": {}}, None),
    ],
)
def test_results(kind: str, fields: dict[str, Any], text: str | None) -> None:
    assert result_of(kind, fields) == text


@pytest.mark.parametrize(
    ("kind", "fields", "rest"),
    [
        ("message", {"id": "m", "status": "completed", "content": [1], "phase": "x"}, {"phase": "x"}),
        ("reasoning", {"summary": [1], "content": None, "encrypted_content": "x", "new": []}, {}),
        ("function_call", {"call_id": "c", "name": "f", "arguments": "{}", "caller": {"type": "direct"}}, {}),
        ("function_call", {"caller": {"type": "program"}}, {"caller": {"type": "program"}}),
        # The status of a call of ours says nothing: the caller runs it.
        ("function_call", {"status": "incomplete"}, {}),
        ("web_search_call", {"status": "completed", "action": {"a": 1}}, {}),
        ("web_search_call", {"status": "failed"}, {"status": "failed"}),
        ("mcp_call", {"name": "n", "server_label": "s", "error": {"a": 1}, "output": "x"},
         {"server_label": "s", "output": "x"}),
        ("image_generation_call", {"result": "aGk=", "size": "1x1"}, {}),
        ("web_search_call", {"name": "n"}, {"name": "n"}),
    ],
)  # fmt: skip
def test_what_is_said_beside_it(kind: str, fields: dict[str, Any], rest: dict[str, Any]) -> None:
    assert rest_of(kind, fields) == rest


def test_what_is_no_item_of_ours_is_not_asked_about() -> None:
    assert {*ARGUMENT_OF_CALL, *TOOL_OF_ITEM, "message", "reasoning"} == ITEM_TYPES
    with pytest.raises(KeyError):
        rest_of("computer_call", {})


@pytest.mark.parametrize("text", ["plain", 'a "quoted" \\ line\n', "é 日本 😀", ""])
def test_text_stands_in_a_string(text: str) -> None:
    assert json.loads(f'"{escaped(text)}"') == text
