"""Which calls and results Messages has a block for."""

from __future__ import annotations

import pytest

from api.dialects.anthropic_messages.server_tools import call_type, result_of


@pytest.mark.parametrize(
    ("name", "call_id", "executor", "expected"),
    [
        ("rain", "c", "client", "tool_use"),
        ("rain", "c", None, "tool_use"),
        ("web_search", "c", "provider", "server_tool_use"),
        ("image_generation", "c", "provider", None),
        ("rain", None, "client", None),
        ("", "c", "client", None),
    ],
)
def test_calls(name: str | None, call_id: str | None, executor: str | None, expected: str | None) -> None:
    assert call_type(name, call_id, executor) == expected


def test_a_result_needs_its_type_its_call_and_json() -> None:
    assert result_of("web_search_tool_result", "c", "[]") == {
        "type": "web_search_tool_result",
        "tool_use_id": "c",
        "content": [],
    }
    assert result_of("web_search_call", "c", "[]") is None
    assert result_of("web_search_tool_result", None, "[]") is None
    assert result_of("web_search_tool_result", "c", "[") is None
