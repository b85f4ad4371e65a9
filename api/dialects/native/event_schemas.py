"""JSON Schemas of the native dialect's events, for /openapi.json: made of the Structs that are written.

OpenAPI 3.2 has `itemSchema` for the events of a stream ("Sequential Media Types"). Version 3.1, which most generators
of clients read, has no word for them; there `schema` is taken as that of one event (Schemathesis: "Testing Server-Sent
Events").
"""

import ast
import inspect
from collections.abc import Iterator
from textwrap import dedent
from typing import Any, get_args

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import fields

from api.dialects.native.beside import Drain, Queued, Reset, Viewers
from api.dialects.native.turns import Begins, Begun, Gone, Trimmed, TurnViewers
from shared.log.events import AnyEvent, Cost, Event, Spent, Usage

REFERENCE = "#/components/schemas/"
ITEM = "GenerationEvent"
"""Name of the schema of one server-sent event, whatever its type."""
STREAM = {"schema": {"$ref": REFERENCE + ITEM}}
"""What `text/event-stream` is, in OpenAPI's words."""
CONVERSATION_ITEM = "ConversationEvent"
"""Name of the same of a conversation's stream."""
CONVERSATION_STREAM = {"schema": {"$ref": REFERENCE + CONVERSATION_ITEM}}
_EVENT_ID = r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})"
EVENT_ID = f"^{_EVENT_ID}$"
CONVERSATION_CURSOR = rf"^[a-z2-7]{{32}}\.{_EVENT_ID}$"

LOGGED: tuple[type[Event], ...] = get_args(AnyEvent)
BESIDE: tuple[type[Queued | Reset | Viewers | Drain], ...] = (Queued, Reset, Viewers, Drain)
TURNS: tuple[type[Begins | Begun | Gone | Trimmed | TurnViewers], ...] = (Begins, Begun, Gone, Trimmed, TurnViewers)


def event_schemas() -> dict[str, dict[str, Any]]:
    """Returns the schemas by name: of each event's data, of what these hold, and those of one event of a stream."""
    types = (*LOGGED, *BESIDE, *TURNS)
    named = {kind.__name__: schema_name(kind) for kind in types}
    _, components = msgspec.json.schema_components(types, ref_template=REFERENCE + "{name}")
    for kind in (*types, Usage, Cost, Spent):
        _describe(components[kind.__name__], kind)
    schemas = {named.get(name, name): _renamed(schema, named) for name, schema in components.items()}
    return schemas | {ITEM: _item(), CONVERSATION_ITEM: _conversation_item()}


def schema_name(kind: type[Struct]) -> str:
    """Returns the name of an event's schema: `usage` is `UsageEvent`, `gone` is `ConversationGoneEvent`."""
    words = str(kind.type).split("_")  # type: ignore[attr-defined]
    return ("Conversation" if kind in TURNS else "") + "".join(map(str.capitalize, words)) + "Event"


def _item() -> dict[str, Any]:
    """Returns the schema of one server-sent event: its `data` is JSON in a text (OpenAPI 3.2, "Server-Sent Events")."""
    return {
        "title": ITEM,
        "description": "One server-sent event: its type, its data, and its event id, where it is one of the log.",
        "oneOf": [_event(kind, EVENT_ID) for kind in LOGGED] + [_event(kind) for kind in BESIDE],
    }


def _conversation_item() -> dict[str, Any]:
    """Returns the schema of one server-sent event of a conversation's stream."""
    with_cursor: tuple[type[Struct], ...] = (Begins, *LOGGED)
    without: tuple[type[Struct], ...] = (Begun, Gone, Trimmed, TurnViewers, Queued, Reset, Drain)
    return {
        "title": CONVERSATION_ITEM,
        "description": "One server-sent event: its type, its data, and its cursor, where it moves that.",
        "oneOf": [_event(kind, CONVERSATION_CURSOR) for kind in with_cursor] + [_event(kind) for kind in without],
    }


def _event(kind: type[Struct], id: str = "") -> dict[str, Any]:
    name = schema_name(kind)
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"$ref": REFERENCE + name}}
    properties = {"event": {"const": kind.type}, "data": data}  # type: ignore[attr-defined]
    if id:
        properties["id"] = {"type": "string", "pattern": id, "description": "The cursor."}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _describe(schema: dict[str, Any], kind: type[Struct]) -> None:
    """Adds what each field is for, and which are always there: those whose default is written too."""
    schema["title"] = schema_name(kind) if hasattr(kind, "type") else kind.__name__
    said = dict(_field_docstrings(kind))
    schema["required"] = [field.encode_name for field in fields(kind) if field.default is not UNSET]
    for name, field in schema["properties"].items():
        field.pop("default", None)
        field["description"] = said[name]


def _field_docstrings(kind: type[Struct]) -> Iterator[tuple[str, str]]:
    """Yields each field that is declared in a class, or a class it is made of, and the docstring below it."""
    for one in kind.__mro__:
        if one is Struct:
            return
        body = ast.parse(dedent(inspect.getsource(one))).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, below in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(line.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                yield line.target.id, " ".join(str(below.value.value).split())


def _renamed(value: Any, named: dict[str, str]) -> Any:
    """Returns a schema with its references to what has another name here."""
    if isinstance(value, dict):
        return {
            key: REFERENCE + named.get(name := item.removeprefix(REFERENCE), name)
            if key == "$ref"
            else _renamed(item, named)
            for key, item in value.items()
        }
    return [_renamed(item, named) for item in value] if isinstance(value, list) else value
