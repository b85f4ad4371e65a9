"""What a wrong field is told: where it is, what it must be, and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.intake.request_body import parse
from api.problems.problem import ProblemError
from tests.api.harness import BODY

TEXT, OBJECT = "must be text; put it into quotes", "must be an object; put its fields into { }"


def user(content: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("fields", "pointer", "says"),
    [
        ({"model": 5}, "/model", TEXT),
        ({"max_tokens": 1.5}, "/max_tokens", "must be a whole number, such as 20"),
        ({"temperature": []}, "/temperature", "must be a number, such as 0.7"),
        ({"parallel_tool_calls": "hot"}, "/parallel_tool_calls", "must be true or false"),
        ({"messages": "hot"}, "/messages", "must be a list; put its entries into [ ]"),
        ({"metadata": []}, "/metadata", OBJECT),
        ({"tools": [{"type": "hot", "function": {"name": "f"}}]}, "/tools/0/type", "must be 'function'"),
        ({"temperature": 2.5}, "/temperature", "must be at most 2; lower it"),
        ({"frequency_penalty": -2.5}, "/frequency_penalty", "must be at least -2; raise it"),
        ({"idle_timeout": 0}, "/idle_timeout", "must be more than 0; raise it"),
        ({"ttl": 1e9}, "/ttl", "must be at most 2592000; lower it"),
        ({"model": ""}, "/model", "must not be empty; give at least 1"),
        ({"model": "hot" * 200}, "/model", "must have at most 512 characters; shorten it"),
        ({"stop": ["hot"] * 17}, "/stop", f"{TEXT}, or must have at most 16 entries; shorten it"),
        ({"metadata": {"k" * 65: ""}}, f"/metadata/{'k' * 65}", "its name must have at most 64 characters; shorten it"),
        ({"response_format": {}}, "/response_format", "needs 'type'; add it"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "h t", "schema": {}}}},
            "/response_format/json_schema/name",
            "must match ^[A-Za-z0-9_-]{1,64}$; leave out what that does not allow",
        ),
        # Neither must be text, or a word: each is of the other kind, and lacks something.
        (user([{"type": "text"}]), "/messages/0/content/0/text", "is required; add it"),
        ({"tool_choice": {"type": "function"}}, "/tool_choice/function", "is required; add it"),
        # Of no kind at all.
        ({"tool_choice": 5}, "/tool_choice", f"must be 'none', 'auto' or 'required'; choose from these, or {OBJECT}"),
        # A kind that is rare, in pydantic's words.
        ({"seed": 1e30}, "/seed", "Unable to parse input string as an integer, exceeded maximum size"),
    ],
)  # fmt: skip
def test_each_kind_in_plain_words(fields: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(ProblemError) as refused:
        parse(json.dumps(BODY | fields).encode(), 100_000)
    (error,) = refused.value.errors
    assert (error.pointer, error.message) == (pointer, says)


def test_many_mistakes_are_told_up_to_a_bound() -> None:
    wrong = {"role": "user", "content": [{"type": "text"}]}
    with pytest.raises(ProblemError) as refused:
        parse(json.dumps(BODY | {"messages": [wrong] * 9000}).encode(), 100_000)
    assert [error.pointer for error in refused.value.errors] == [f"/messages/{at}/content/0/text" for at in range(20)]
