"""Every schema of arguments becomes one of an object, or is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.request.tool_schemas import NO_OBJECT, NO_STRICT, NO_SUCH, flaw, object_schema

X, Y = {"type": "integer"}, {"type": "string"}
EMPTY: dict[str, Any] = {"type": "object", "properties": {}}


def an_object(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, EMPTY),
        ({}, EMPTY),
        ({"type": "object"}, EMPTY),
        ({"type": "object", "additionalProperties": True}, {**EMPTY, "additionalProperties": True}),
        ({"type": "object", "properties": None, "required": []}, EMPTY),
        ({"properties": {"x": X}, "required": ["x"]}, an_object(["x"], x=X)),
        ({"type": ["object", "null"], "properties": {"x": X}}, an_object(x=X)),
        ({"allOf": [an_object(["x"], x=X), an_object(["y"], y=Y)]}, an_object(["x", "y"], x=X, y=Y)),
        ({"anyOf": [an_object(["x"], x=X), {"type": "null"}]}, an_object(["x"], x=X)),
        ({**an_object(x=X), "allOf": [], "anyOf": [], "oneOf": []}, an_object(x=X)),
        ({"oneOf": [an_object(["x"], x=X)], "title": "t"}, {**an_object(["x"], x=X), "title": "t"}),
        (
            {"$ref": "#/definitions/A", "definitions": {"A": an_object(["x"], x=X)}},
            {**an_object(["x"], x=X), "definitions": {"A": an_object(["x"], x=X)}},
        ),
        (
            {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"$ref": "#/$defs/c%20d"}, "c d": an_object(x=X)}},
            {**an_object(x=X), "$defs": {"a/b": {"$ref": "#/$defs/c%20d"}, "c d": an_object(x=X)}},
        ),
    ],
)
def test_it_means_the_same(given: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    before = json.dumps(given)
    assert object_schema(given) == expected
    assert flaw(given, strict=True) is None
    assert json.dumps(given) == before


def test_a_usual_one_stays_as_it_is() -> None:
    usual = {"$schema": "s", "properties": {"x": {"anyOf": [X, Y]}}, "type": "object", "required": [], "title": "t"}
    assert json.dumps(object_schema(usual)) == json.dumps(usual)


@pytest.mark.parametrize(
    ("given", "expected", "rest"),
    [
        # Servers of MCP: at least one of them.
        (
            {**an_object(["i"], i=X, x=X, y=Y), "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
            an_object(["i"], i=X, x=X, y=Y),
            {"anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
        ),
        # One of several kinds: what all of them need is required.
        (
            {"oneOf": [an_object(["k", "x"], k=Y, x=X), an_object(["k"], k=X, y=Y)]},
            an_object(["k"], k={"anyOf": [Y, X]}, x=X, y=Y),
            {"oneOf": [an_object(["k", "x"], k=Y, x=X), an_object(["k"], k=X, y=Y)]},
        ),
        (
            {
                "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
                "$defs": {"A": an_object(x=X), "B": an_object(y=Y)},
            },
            {**an_object(x=X, y=Y), "$defs": {"A": an_object(x=X), "B": an_object(y=Y)}},
            {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]},
        ),
        (
            {**an_object(x=X), "allOf": [{**an_object(y=Y), "additionalProperties": False}]},
            an_object(x=X, y=Y),
            {"allOf": [{**an_object(y=Y), "additionalProperties": False}]},
        ),
        ({**an_object(x=X), "not": {"required": ["x"]}}, an_object(x=X), {"not": {"required": ["x"]}}),
        ({**an_object(x=X), "enum": [{"x": 1}]}, an_object(x=X), {"enum": [{"x": 1}]}),
        (
            {**an_object(x=X, y=Y), "if": {"required": ["x"]}, "then": {"required": ["y"]}},
            an_object(x=X, y=Y),
            {"then": {"required": ["y"]}, "if": {"required": ["x"]}},
        ),
    ],
)
def test_what_its_top_cannot_say_is_described(
    given: dict[str, Any], expected: dict[str, Any], rest: dict[str, Any]
) -> None:
    for description in (None, "Of rain."):
        described = {**given, "description": description} if description else given
        made = object_schema(described)
        first, _, said = made.pop("description").rpartition("It must also fit this JSON Schema: ")
        assert first == (f"{description}\n" if description else "")
        assert json.loads(said) == rest
        assert made == expected
        assert not {"anyOf", "oneOf", "allOf", "enum", "const", "not"} & made.keys()
        assert flaw(described, strict=None) is None
        assert flaw(described, strict=True) == NO_STRICT


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"type": "array", "items": X}, NO_OBJECT),
        ({"items": X}, NO_OBJECT),
        ({"type": "string"}, NO_OBJECT),
        ({"type": ["string", "null"]}, NO_OBJECT),
        ({"enum": ["a", "b"]}, NO_OBJECT),
        ({"const": 1}, NO_OBJECT),
        ({"anyOf": [an_object(x=X), {"type": "string"}]}, NO_OBJECT),
        ({"allOf": [{"type": "array"}]}, NO_OBJECT),
        ({"oneOf": []}, NO_OBJECT),
        ({"oneOf": "x"}, NO_OBJECT),
        ({"anyOf": [{"type": "null"}]}, NO_OBJECT),
        ({"$ref": "#/$defs/A"}, NO_SUCH),
        ({"$ref": "https://example.com/schema"}, NO_SUCH),
        ({"$ref": "#"}, NO_SUCH),
        ({"$ref": 1}, NO_SUCH),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, NO_SUCH),
        ({"anyOf": [{"$ref": "#/$defs/A"}]}, NO_SUCH),
    ],
)
def test_what_is_no_object_is_named(given: dict[str, Any], why: str) -> None:
    assert flaw(given, strict=None) == why
    with pytest.raises(ValueError, match="^" + why[:20].replace("$", r"\$")):
        object_schema(given)


def test_members_of_members_have_their_properties() -> None:
    inner = {"allOf": [an_object(["x"], x=X), {"$ref": "#/$defs/Y"}]}
    schema = object_schema({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": inner, "Y": an_object(y=Y)}})
    assert schema["properties"] == {"x": X, "y": Y}
    assert schema["required"] == ["x"]
    either = object_schema({"anyOf": [{"oneOf": [an_object(x=X), an_object(y=Y)]}, an_object(["z"], z=X)]})
    assert either["properties"] == {"x": X, "y": Y, "z": X}
    assert "required" not in either


def test_members_that_lead_to_each_other_are_followed_no_further_than_they_say_something() -> None:
    ring = {"anyOf": [{"$ref": "#/$defs/A"}] * 50 + [an_object(x=X)]}
    assert object_schema({"anyOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": ring}})["properties"] == {"x": X}
