"""A recorded request without what somebody wrote in it: names of fields, types and shapes stay, contents do not."""

from __future__ import annotations

import json
import re
from typing import Any, Final

TEXT: Final = "Some text."
KEPT: Final = frozenset(
    [
        "type",
        "role",
        "status",
        "effort",
        "summary",
        "verbosity",
        "service_tier",
        "truncation",
        "ttl",
        "media_type",
        "detail",
        "phase",
        "context",
        "display",
        "stop_reason",
        "syntax",
        "mode",
        "object",
        "keep",
    ]
)
"""Fields whose texts are words of the protocol."""
SCHEMAS: Final = ("parameters", "input_schema", "schema")
WORD: Final = re.compile(r"[a-z][a-z0-9_.-]{0,40}")


class Neutral:
    """Takes contents out of one program's requests; what was equal stays equal, so that calls find their tools."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body of one request; of tools that look alike only the first stays."""
        tools = [self._value("tools", tool) for tool in body.get("tools") or []]
        neutral = {name: self._value(name, value) for name, value in body.items()}
        if tools:
            first = {_shape(tool): tool for tool in reversed(tools)}
            called = json.dumps([value for name, value in neutral.items() if name != "tools"])
            kept = [tool for tool in tools if tool in first.values() or f'"{tool.get("name")}"' in called]
            neutral["tools"] = kept
        return neutral

    def _value(self, field: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._object(field, value)
        if isinstance(value, list):
            return [self._value(field, one) for one in value]
        return self._text(field, value) if isinstance(value, str) else value

    def _object(self, field: str, value: dict[str, Any]) -> dict[str, Any]:
        if field in SCHEMAS:
            found: dict[str, Any] = _schema(value)
            return found
        if field in ("metadata", "client_metadata"):
            return {name if name == "user_id" else self._same("key", name): TEXT for name in value}
        if value.get("type") == "tool_use" and isinstance(value.get("input"), dict):
            value = value | {"input": {"query": TEXT} if value["input"] else {}}
        return {name: self._value(name, one) for name, one in value.items()}

    def _text(self, field: str, value: str) -> str:
        if field in KEPT and WORD.fullmatch(value):
            return value
        if field in ("include", "tool_choice", "model"):
            return value
        if field in ("id", "call_id", "tool_use_id"):
            return self._same("call", value)
        if field in ("name", "namespace"):
            return self._same("tool", value)
        if field == "arguments":
            return json.dumps({"query": TEXT})
        return TEXT if value else value

    def _same(self, kind: str, value: str) -> str:
        known = self._names.setdefault(kind, {})
        return known.setdefault(value, f"{kind}_{len(known) + 1}")


def _schema(value: Any) -> Any:
    """A JSON Schema of the same depth and keywords."""
    if isinstance(value, list):
        return [_schema(one) for one in value]
    if not isinstance(value, dict):
        return value if isinstance(value, bool | int | float) or value is None else TEXT
    found: dict[str, Any] = {}
    for name, one in value.items():
        if name in ("properties", "$defs", "definitions", "patternProperties") and isinstance(one, dict):
            found[name] = {f"field_{n}": _schema(inner) for n, inner in enumerate(one.values(), 1)}
        elif name == "required" and isinstance(one, list):
            known = list(value.get("properties") or {})
            found[name] = [f"field_{known.index(field) + 1}" for field in one if field in known]
        elif name == "enum" and isinstance(one, list):
            found[name] = [f"value_{n}" if isinstance(inner, str) else inner for n, inner in enumerate(one, 1)]
        elif name in ("type", "$schema", "format"):
            found[name] = one
        elif name == "pattern":
            found[name] = ".*"
        else:
            found[name] = _schema(one)
    return found


def _shape(value: Any) -> str:
    """Names and types alone, without those of a schema's fields."""
    if isinstance(value, dict):
        inner = (f"{name}:{'schema' if name in SCHEMAS else _shape(one)}" for name, one in sorted(value.items()))
        kind = value.get("type")
        return f"{kind if isinstance(kind, str) else ''}{{{','.join(inner)}}}"
    if isinstance(value, list):
        return f"[{','.join(sorted({_shape(one) for one in value}))}]"
    return type(value).__name__
