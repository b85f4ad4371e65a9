"""The schema of a tool's arguments, as providers take it: an object, with nothing but an object's fields at its top.

OpenAI: "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'const'/'not' at the top level", and
"object schema missing properties" (langchain-ai/langchainjs#9804, spring-projects/spring-ai#4776); Anthropic:
"input_schema does not support oneOf, allOf, or anyOf at the top level" (anthropics/claude-code#27337); Gemini:
`parametersJsonSchema` must describe an object (API reference: `FunctionDeclaration`). Servers of MCP and generators of
schemas write all of these. Every protocol gets the same.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

_UNIONS = ("anyOf", "oneOf")
_TOGETHER = ("allOf", *_UNIONS)
_INNER = frozenset(_TOGETHER)
_REFUSED = (*_TOGETHER, "const", "else", "enum", "if", "not", "then")
"""What no top may have; `if` goes along, which is worth nothing without what follows from it."""
_SIMPLE = frozenset({"$schema", "description", "properties", "required", "title", "type"})
"""Fields of an object's schema that say nothing more once its properties are another's."""
_MAX_REFERENCES = 8
"""References that lead from one place to another."""
_MAX_NESTED = 1000
"""Members of members that are followed, in one schema: references may lead to the same ones over and over."""

NO_OBJECT = "must be the schema of an object, as arguments are one; put the value into a property"
NO_SUCH = "has a $ref at its top that leads nowhere in it; put the schema there"
NO_STRICT = "cannot be strict with anyOf, oneOf or the like at its top; move that into a property, or leave strict out"


class _Object(NamedTuple):
    fields: dict[str, Any]
    rest: dict[str, Any]
    """What its top said beside, and cannot say."""


def flaw(parameters: Mapping[str, Any] | None, strict: bool | None) -> str | None:
    """Returns why no object can be made of a schema without changing what it means; None where one can."""
    if parameters is None or _is_usual(parameters):
        return None
    try:
        schema = _object(parameters)
    except ValueError as error:
        return str(error)
    return NO_STRICT if strict and schema.rest else None


def object_schema(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns a schema as an object's: with `type` and `properties`, and without what no top may have.

    A reference at the top is followed. Of `allOf`, `anyOf` and `oneOf` the properties are put together; those that are
    required in all members of a union stay required. What that leaves unsaid is in the description, for the model.
    Raises ValueError where it is the schema of something else.
    """
    if parameters is not None and _is_usual(parameters):
        return dict(parameters)
    fields, rest = _object(parameters or {})
    if rest:
        said = f"It must also fit this JSON Schema: {json.dumps(rest, ensure_ascii=False)}"
        described = fields.get("description")
        fields["description"] = f"{described}\n{said}" if isinstance(described, str) else said
    return fields


def _is_usual(schema: Mapping[str, Any]) -> bool:
    odd = schema.keys() & {"$ref", *_REFUSED}
    return schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not odd


def _object(parameters: Mapping[str, Any]) -> _Object:
    top = _followed(parameters, parameters)
    if not _is_object(top):
        raise ValueError(NO_OBJECT)
    said = {name: top.pop(name) for name in _REFUSED if name in top}
    if "type" in top or "properties" in top:
        # An empty list beside these says nothing, and is no JSON Schema; generators write it.
        said = {name: value for name, value in said.items() if name not in _TOGETHER or value != []}
    properties, required, left = _properties(top), _required(top), iter(range(_MAX_NESTED))
    rest = {
        name: value
        for name, value in said.items()
        if name not in _TOGETHER or not _join(properties, required, name, _members(value, name, parameters, left))
    }
    for name in ("type", "properties", "required"):
        top.pop(name, None)
    return _Object({"type": "object", "properties": properties, **top} | _if_any(required), rest)


def _followed(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema to which a reference at its top leads (JSON Schema, "$ref"), with what stands beside that."""
    for _ in range(_MAX_REFERENCES):
        if "$ref" not in schema:
            return dict(schema)
        target = _target(schema["$ref"], whole)
        if not isinstance(target, dict):
            break
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    raise ValueError(NO_SUCH)


def _target(reference: Any, whole: Mapping[str, Any]) -> Any:
    """Returns what a reference within a schema names (RFC 6901, 6); None where there is nothing."""
    if not (isinstance(reference, str) and reference.startswith("#/")):
        return None
    found: Any = whole
    for part in unquote(reference[2:]).split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Says whether objects fit a schema; a null beside them is for whoever calls the tool."""
    kind, values = schema.get("type"), schema.get("enum", [schema["const"]] if "const" in schema else [])
    fits = kind in (None, "object") or (isinstance(kind, list) and "object" in kind)
    return fits and "items" not in schema and not (isinstance(values, list) and any(_is_plain(one) for one in values))


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, dict)


def _members(value: Any, keyword: str, whole: Mapping[str, Any], left: Iterator[int]) -> list[dict[str, Any]]:
    """Returns the schemas of a list of them. Raises ValueError where one is of something else than an object."""
    listed = [_followed(one, whole) for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    members = [one for one in listed if keyword not in _UNIONS or one.get("type") != "null"]
    if not members or not all(map(_is_object, members)):
        raise ValueError(NO_OBJECT)
    return [_with_inner(one, whole, left) if one.keys() & _INNER else one for one in members]


def _with_inner(member: dict[str, Any], whole: Mapping[str, Any], left: Iterator[int]) -> dict[str, Any]:
    """Returns a member with the properties of its own members, which stay: that need not be all that they say."""
    properties, required = _properties(member), _required(member)
    try:
        for keyword in _TOGETHER:
            if member.get(keyword) and _are_left(left, member[keyword]):
                _join(properties, required, keyword, _members(member[keyword], keyword, whole, left))
    except (ValueError, RecursionError):
        return member
    return {**member, "properties": properties} | _if_any(required)


def _are_left(left: Iterator[int], value: Any) -> bool:
    """Says whether as many may be followed as a list of members has; they count from then on."""
    count = len(value) if isinstance(value, list) else 1
    return len(list(itertools.islice(left, count))) == count


def _join(properties: dict[str, Any], required: list[str], keyword: str, members: list[dict[str, Any]]) -> bool:
    """Adds what members say of properties; says whether that is all that they say."""
    all_said = keyword not in _UNIONS or len(members) == 1
    for member in members:
        all_said &= member.keys() <= _SIMPLE
        for name, schema in _properties(member).items():
            if (known := properties.setdefault(name, schema)) != schema:
                all_said = False
                if keyword in _UNIONS:
                    properties[name] = _either(known, schema)
    needed = [_required(member) for member in members]
    common = (
        set(needed[0]).intersection(*needed[1:]) if keyword in _UNIONS else {name for one in needed for name in one}
    )
    listed = dict.fromkeys(name for one in needed for name in one)
    required += [name for name in listed if name in common and name not in required]
    return all_said


def _either(one: Any, other: Any) -> dict[str, Any]:
    """Returns a schema for what fits one of two, of which the first may be such a one already."""
    either = one["anyOf"] if isinstance(one, dict) and one.keys() == {"anyOf"} else [one]
    return {"anyOf": either if other in either else [*either, other]}


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    return dict(properties) if isinstance(properties, dict) else {}


def _required(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _if_any(required: list[str]) -> dict[str, Any]:
    return {"required": required} if required else {}
