"""JSON text that nests too deep, found and cut without a parser that would fail on it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.request.nesting import MAX_CUT_BYTES, STEP_BYTES, entries, more_values, nested_deeper, shallow
from shared.strict_json import cut, nests_deeper

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('[]{}"\\,:ab', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3),
)


@given(VALUES, st.integers(0, 6))
def test_text_and_value_agree(value: Any, limit: int) -> None:
    text = json.dumps(value).encode()
    deeper = nests_deeper(value, limit)
    assert nested_deeper(text, limit) == deeper
    assert json.loads(shallow(text, limit)) == cut(value, limit)
    assert not nests_deeper(cut(value, limit), limit)
    assert (cut(value, limit) == value) or deeper


@pytest.mark.parametrize("before", range(STEP_BYTES - 9, STEP_BYTES + 3))
@pytest.mark.parametrize("text", ['\\"[[', "\\\\[[", '"[[', "[[\\", '\\\\"[', "\\" * 5 + '"[['])
def test_a_piece_ends_anywhere(before: int, text: str) -> None:
    body = json.dumps(["x" * before + text, [text]]).encode()
    assert nested_deeper(body, 1)
    assert not nested_deeper(body, 2)
    assert not nested_deeper(json.dumps(["x" * before + text * 30_000]).encode(), 1)


@pytest.mark.parametrize("depth", [65, 500, 960, 5_000, 50_000])
def test_what_stands_beside_it_stays(depth: int) -> None:
    text = b'{"content":"hi [","extra":' + b'{"a":[' * depth + b"]}" * depth + b',"n":[1,{"b":2}]}'
    assert json.loads(shallow(text, 1)) == {"content": "hi [", "extra": None, "n": None}
    assert json.loads(shallow(text, 3)) == {"content": "hi [", "extra": {"a": [None]}, "n": [1, {"b": 2}]}


def test_a_long_one_is_not_gone_through() -> None:
    with pytest.raises(ValueError, match="nest deeper"):
        shallow(b'{"a":' + b"[" * 100 + b"]" * 100 + b',"b":"' + b"x" * MAX_CUT_BYTES + b'"}', 64)


def counted(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 1
    return 1 + sum(map(counted, value.values() if isinstance(value, dict) else value))


@given(VALUES, st.integers(-2, 2), st.sampled_from([None, 1]))
def test_values_are_counted_to_the_last(value: Any, more: int, indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    assert more_values(text, counted(value) + more) == (more < 0)


@pytest.mark.parametrize("before", range(STEP_BYTES - 9, STEP_BYTES + 3))
@pytest.mark.parametrize("value", [[], {}, [[]], ["a"], {"a": []}, [1, {}, "\\\\"], ["\\", "[,{"]])
def test_they_are_counted_wherever_a_piece_ends(before: int, value: Any) -> None:
    for text in (["x" * before, value], [value, "x" * before, value] * 3):
        body = json.dumps(text, separators=(",", ":")).encode()
        assert not more_values(body, counted(text))
        assert more_values(body, counted(text) - 1)
    spaced = b"[" + b" " * before + json.dumps(value).encode() + b" " * STEP_BYTES + b"]"
    assert not more_values(spaced, 1 + counted(value))
    assert more_values(spaced, counted(value))


@given(st.lists(VALUES, min_size=1, max_size=9), st.sampled_from([None, 1]))
def test_entries_of_a_list_are_counted(value: list[Any], indent: int | None) -> None:
    assert entries(json.dumps(value, indent=indent, ensure_ascii=False).encode()) == len(value)


def test_entries_with_very_many_of_their_own_are_not_counted() -> None:
    assert entries(json.dumps([[0] * 50, 1]).encode()) == 2
    assert entries(json.dumps([[0] * 1_000, 1]).encode()) is None
