"""Calls among a Responses answer's items: the caller's functions, and the tools that the provider runs itself.

From the item types of the API reference ("The response object"). Any other item is of a tool that runs only for those
who ask for it by `extra`, and is kept raw.
"""

import json
from typing import Any, NamedTuple

ARGUMENT_OF_CALL = {"function_call": "arguments", "custom_tool_call": "input"}
"""Calls that the caller runs, and the field with what it is called with; a custom tool's is any text."""


class ProviderTool(NamedTuple):
    """A tool that the provider runs: its name, what of the item is arguments, and what its result, best first."""

    name: str
    arguments: tuple[str, ...]
    results: tuple[str, ...] = ()


TOOL_OF_ITEM = {
    "web_search_call": ProviderTool("web_search", ("action",)),
    "file_search_call": ProviderTool("file_search", ("queries",), ("results",)),
    "code_interpreter_call": ProviderTool("code_interpreter", ("code", "container_id"), ("outputs",)),
    "image_generation_call": ProviderTool(
        "image_generation",
        ("action", "revised_prompt", "size", "quality", "background", "output_format"),
        ("error",),
    ),
    "mcp_call": ProviderTool("", ("arguments",), ("error", "output")),
    "mcp_list_tools": ProviderTool("mcp_list_tools", ("server_label",), ("error", "tools")),
}

ITEM_TYPES = ARGUMENT_OF_CALL.keys() | TOOL_OF_ITEM.keys() | {"message", "reasoning"}

_READ = {
    "message": frozenset({"role", "content"}),
    "reasoning": frozenset({"summary", "content", "encrypted_content"}),
    "function_call": frozenset({"call_id", "name", "arguments"}),
    "custom_tool_call": frozenset({"call_id", "name", "input"}),
}


def arguments_of(kind: str, fields: dict[str, Any]) -> str:
    """Returns what a tool was called with, as JSON text; of a remote one as its caller wrote it."""
    if kind == "mcp_call":
        return str(fields.get("arguments") or "")
    if kind == "web_search_call":
        return _json(fields.get("action") or {})
    return _json({name: value for name in TOOL_OF_ITEM[kind].arguments if (value := fields.get(name)) is not None})


def result_of(kind: str, fields: dict[str, Any]) -> str | None:
    """Returns a tool's result: text as it is, anything else as JSON.

    Returns None where there is no result, or none that is said.
    """
    for name in TOOL_OF_ITEM[kind].results:
        if (value := fields.get(name)) is not None:
            return value if isinstance(value, str) else _json(value)
    return None


def has_failed(kind: str, fields: dict[str, Any]) -> bool:
    """Says whether a tool failed: by its item's status, or as its result is an error."""
    is_error = "error" in TOOL_OF_ITEM[kind].results and bool(fields.get("error"))
    return is_error or fields.get("status") == "failed"


def rest_of(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns what an item says beside what is in our events; that it was called directly is the rule."""
    tool = TOOL_OF_ITEM.get(kind)
    if tool is None:
        read = _READ[kind]
    else:
        read = frozenset((*tool.arguments, "name" if kind == "mcp_call" else "", "result"))
        read |= {next((name for name in tool.results if fields.get(name) is not None), "")}
    read |= {"id", "type", "status"}
    rest = {name: value for name, value in fields.items() if name not in read and value not in (None, [], {})}
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    if tool is not None and fields.get("status") in ("failed", "incomplete"):
        rest["status"] = fields["status"]
    return rest


def escaped(text: str) -> str:
    """Returns a text as it stands within a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
