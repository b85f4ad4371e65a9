"""JSON that a model wrote: one value and nothing else, or what is wrong with it, which quotes nothing of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.request.limits import MAX_DEPTH
from shared.strict_json import cut, nests_deeper, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(VALUES, st.booleans())
def test_what_is_json_is_its_value(value: Any, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assert read(text) == (json.loads(text), None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is not JSON: ends too early"),
        ("{", "is not JSON: ends too early"),
        ('{"secret": ', "is not JSON: ends too early"),
        ('"\\ud800"', "is not JSON: ends too early, or holds half of a surrogate pair"),
        ('"\\uDC00"', "is not JSON: "),
        ("{} {}", "is not JSON: "),
        ("NaN", "is not JSON: "),
        ("Infinity", "is not JSON: "),
        ("{'secret': 1}", "is not JSON: "),
        ("```json\nsecret\n```", "is not JSON: "),
        ("01", "is not JSON: "),
        ('"a\nb"', "is not JSON: "),
    ],
)
def test_what_is_wrong_is_said_and_nothing_quoted(text: str, error: str) -> None:
    value, said = read(text)
    assert value is None
    assert said is not None
    assert said.startswith(error)
    assert "secret" not in said
    assert said == said.removesuffix(".")


def test_of_two_members_with_the_same_name_the_last_counts() -> None:
    assert read('{"a": 1, "a": 2}').value == {"a": 2}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 100_000])
def test_it_is_bounded_in_depth(depth: int) -> None:
    assert read(nested(MAX_DEPTH)).error is None
    assert read(nested(depth)) == (None, f"is nested deeper than {MAX_DEPTH} levels")


def test_many_lists_beside_each_other_are_not_deep() -> None:
    assert read(json.dumps([[]] * 200)).error is None


@pytest.mark.parametrize(
    ("value", "depth"), [(1, 0), ("[[", 0), ([], 1), ({}, 1), ([1, {"a": 2}], 2), ({"a": [{"b": []}]}, 4)]
)
def test_depth_is_that_of_the_deepest(value: Any, depth: int) -> None:
    assert not nests_deeper(value, depth)
    if depth:
        assert nests_deeper(value, depth - 1)


def test_what_lies_too_deep_is_cut_and_the_rest_stays() -> None:
    value = {"a": [1, [2, [3]]], "b": {"c": {}}, "d": "text"}
    assert cut(value, 3) == {"a": [1, [2, None]], "b": {"c": {}}, "d": "text"}
    assert cut(value, 2) == {"a": [1, None], "b": {"c": None}, "d": "text"}
    assert cut(value, 1) == {"a": None, "b": None, "d": "text"}
    assert cut(value, 0) is None
    assert cut(5, 0) == 5
