"""Tools that Anthropic runs itself: their calls and results, as far as the log has what Messages wants of them."""

from typing import Any

from shared.strict_json import read

CALLS = frozenset(
    {
        "web_search",
        "web_fetch",
        "code_execution",
        "bash_code_execution",
        "text_editor_code_execution",
        "tool_search_tool_regex",
        "tool_search_tool_bm25",
    }
)
"""Names that a `server_tool_use` may have (API reference: "Create a Message")."""
RESULTS = frozenset(
    {
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
    }
)
"""Types of the blocks that have such a tool's result."""


def call_type(name: str | None, call_id: str | None, executor: str | None) -> str | None:
    """Returns the type of the block that a call is; None where Messages has none."""
    if not (name and call_id):
        return None
    if executor != "provider":
        return "tool_use"
    return "server_tool_use" if name in CALLS else None


def result_of(result_type: object, call_id: object, text: str) -> dict[str, Any] | None:
    """Returns the block of a result, whose content is this JSON text; None where it is none of Anthropic's."""
    if result_type not in RESULTS or not call_id:
        return None
    content = read(text)
    return None if content.error else {"type": result_type, "tool_use_id": call_id, "content": content.value}
