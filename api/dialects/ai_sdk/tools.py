"""The tools that a transport's body names: by their names, as the AI SDK has them, or listed as Chat has them."""

from typing import Any, NamedTuple

_SCHEMAS = ("inputSchema", "parameters")


class Tools(NamedTuple):
    """Functions as a request of ours has them, and where in the body each stands."""

    native: list[Any]
    moved: dict[str, str]


def tools_of(given: Any) -> Tools | None:
    """Returns the tools; None where they are neither in a list nor by their names."""
    if isinstance(given, list):
        return Tools(given, {})
    if not isinstance(given, dict):
        return None
    native: list[Any] = []
    moved: dict[str, str] = {}
    for at, (name, tool) in enumerate(given.items()):
        place = "/tools/" + name.replace("~", "~0").replace("/", "~1")
        moved |= {f"/tools/{at}": place, f"/tools/{at}/function": place, f"/tools/{at}/function/name": place}
        native.append({"type": "function", "function": _function(name, tool)})
    return Tools(native, moved)


def _function(name: str, tool: Any) -> Any:
    if not isinstance(tool, dict):
        return tool
    schema = next((tool[field] for field in _SCHEMAS if tool.get(field) is not None), None)
    if isinstance(schema, dict) and isinstance(schema.get("jsonSchema"), dict):
        schema = schema["jsonSchema"]  # what `jsonSchema()` of the package `ai` is as JSON
    said = {field: tool[field] for field in ("description", "strict") if tool.get(field) is not None}
    return {"name": name, **said, **({} if schema is None else {"parameters": schema})}
