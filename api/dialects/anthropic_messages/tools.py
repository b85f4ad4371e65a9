"""Tools and their choice as ours (API reference: `tools`, `tool_choice`).

A provider of the same protocol gets a tool as it is, by `extra`, that is one of Anthropic's own or has fields that no
tool of ours has.
"""

from typing import Any

from api.dialects.anthropic_messages.checks import (
    a_list,
    a_text,
    a_type,
    an_object,
    cannot,
    only,
    within,
    wrong,
    yes_or_no,
)
from api.dialects.anthropic_messages.content import marked
from api.dialects.anthropic_messages.places import Places
from api.dialects.anthropic_messages.tool_changes import ToolChanges

_KNOWN = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})
_SEARCH = "tool_search_tool"
"""How the types of Anthropic's own search for tools begin."""
_HARMLESS = {"eager_input_streaming", "defer_loading", "allowed_callers", "input_examples"}
"""Fields of a tool that say nothing at these values: false, an empty list, `direct` alone."""


def read_tools(
    body: dict[str, Any],
    native: dict[str, Any],
    passed: dict[str, Any],
    places: Places,
    changes: ToolChanges,
    *,
    same: bool,
) -> None:
    """Adds the tools that the model is offered to our request, or to what is passed on. Raises ProblemError."""
    tools: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    given = a_list(body.get("tools", []), "/tools")
    listed = [(an_object(tool, within("/tools", at)), within("/tools", at)) for at, tool in enumerate(given)]
    searches = same and any(str(fields.get("type")).startswith(_SEARCH) for fields, _ in listed)
    for fields, pointer in listed + changes.defined:
        if not searches:
            # Without Anthropic's search only the conversation can find a deferred tool.
            if not changes.offers(fields):
                continue
            fields.pop("defer_loading", None)
        if fields.get("type") in (None, "custom") and not _asks_more(fields, same=same):
            places.add(f"/tools/{len(tools)}", pointer)
            tools.append(_tool(fields, pointer))
        elif same:
            own.append(fields)
        else:
            raise _refused(fields, pointer)
    if tools:
        native["tools"] = tools
    if own:
        passed["tools"] = own
    if "tool_choice" in body:
        _choice(body["tool_choice"], native, passed, places, passes=bool(own) and not tools)


def _asks_more(fields: dict[str, Any], *, same: bool) -> bool:
    """Says whether a tool has fields that ours has not; one that only hurries its input counts where it is honoured."""
    more = {name for name in fields if name not in _KNOWN and not _is_nothing(name, fields[name])}
    return bool(more if same else more - {"eager_input_streaming"})


def _is_nothing(name: str, value: Any) -> bool:
    return name in _HARMLESS and value in (False, [], ["direct"])


def _tool(fields: dict[str, Any], pointer: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": a_text(fields, "name", pointer)}
    function["parameters"] = an_object(fields.get("input_schema"), within(pointer, "input_schema"))
    if function["parameters"]:
        function["parameters"] = fields["input_schema"]
    function |= {name: fields[name] for name in ("description", "strict") if name in fields}
    return {"type": "function", "function": function} | marked(fields)


def _refused(fields: dict[str, Any], pointer: str) -> Exception:
    kind = fields.get("type")
    if kind not in (None, "custom"):
        return cannot(
            within(pointer, "type"), "is a tool of Anthropic's own; give the model's provider, or leave it out"
        )
    odd = next(name for name in fields if name not in _KNOWN and not _is_nothing(name, fields[name]))
    if odd not in _HARMLESS:
        return wrong(within(pointer, odd), "is not a known field; leave it out")
    return cannot(within(pointer, odd), "is something that only Anthropic's models know; leave it out")


def _choice(given: Any, native: dict[str, Any], passed: dict[str, Any], places: Places, *, passes: bool) -> None:
    """Adds which tool must be called; with `passes` it is passed on, as there are only tools of Anthropic's own."""
    fields = an_object(given, "/tool_choice")
    kind = a_type(fields, "/tool_choice")
    only(fields, ("type", "name", "disable_parallel_tool_use"), "/tool_choice")
    choices: dict[str, Any] = {"auto": "auto", "any": "required", "none": "none"}
    if kind == "tool":
        choice: Any = {"type": "function", "function": {"name": a_text(fields, "name", "/tool_choice")}}
    elif kind in choices:
        choice = choices[kind]
    else:
        raise wrong("/tool_choice/type", "must be auto, any, tool or none; choose from these")
    single = yes_or_no(fields, "disable_parallel_tool_use", "/tool_choice")
    if passes:
        passed["tool_choice"] = fields
        return
    native["tool_choice"] = choice
    places.add("/tool_choice", "/tool_choice")
    if single:
        native["parallel_tool_calls"] = False
        places.add("/parallel_tool_calls", "/tool_choice/disable_parallel_tool_use")
