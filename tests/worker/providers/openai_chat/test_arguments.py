"""Arguments of a tool call: valid JSON once, however they come, and live."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.providers.openai_chat.arguments import Arguments

REAL = '{"city": "Bo}nn", "x": [1, {"y": "\\""}]}'


def fed(*pieces: str) -> tuple[list[str], str]:
    """What is said with each piece, and at the end."""
    arguments = Arguments()
    return [arguments.feed(piece) for piece in pieces], arguments.close()


def all_of(*pieces: str) -> str:
    said, rest = fed(*pieces)
    return "".join(said) + rest


def test_fragments_are_said_as_they_come() -> None:
    pieces = ["{", '"city"', ': "Bonn', '"', "}"]
    assert fed(*pieces) == (pieces, "")


@pytest.mark.parametrize("empty", ["{}", "{ }", " {}\n", "null", '""', " ", "{}{}"])
def test_what_is_empty_before_the_arguments_is_left_out(empty: str) -> None:
    assert json.loads(all_of(empty, REAL[:9], REAL[9:])) == json.loads(REAL)
    assert fed(empty, "{")[0][0] == ""
    assert json.loads(all_of(empty + REAL)) == json.loads(REAL)


@pytest.mark.parametrize(
    ("empty", "said"),
    [("{}", "{}"), ("{ }", "{}"), ("null", "null"), ('""', '""'), (" \n", ""), ("", ""), ("{}{}", "{}")],
)
def test_what_is_empty_alone_is_said_at_the_end(empty: str, said: str) -> None:
    assert all_of(empty) == said


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(REAL, id="all"),
        pytest.param(REAL + REAL, id="twice"),
        pytest.param(json.dumps(json.loads(REAL), separators=(",", ":")), id="another spacing"),
        pytest.param("{}", id="empty"),
        pytest.param(" \n", id="white space"),
        pytest.param("null", id="null"),
        pytest.param(REAL[:-5], id="half of it"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_comes_again_is_left_out(again: str, step: int) -> None:
    pieces = [again[at : at + step] for at in range(0, len(again), step)]
    assert all_of(REAL, *pieces) == REAL
    assert all_of(REAL + again) == REAL


def test_what_cannot_be_read_repeats_nothing() -> None:
    assert all_of("{a}", "{b}", "{c}") == "{a}{b}{c}"
    assert all_of("{a}", "{a}") == "{a}"


@pytest.mark.parametrize("more", ['{"other": 1}', ", 5]", '{"city": "Rome"}'])
def test_what_is_no_repetition_is_said(more: str) -> None:
    assert all_of(REAL, more) == REAL + more


def test_numbers_and_words_go_on() -> None:
    assert all_of("1", "2", ".5") == "12.5"
    assert all_of("tr", "ue") == "true"
    assert all_of('"a', "\\", '"', 'b"', '"a\\"b"') == '"a\\"b"'


@pytest.mark.parametrize(
    ("pieces", "valid"), [(['{"a"', ":1}"], True), (['{"a"'], False), ([], True), ([REAL, "x"], False)]
)
def test_whether_they_are_valid(pieces: list[str], valid: bool) -> None:
    arguments = Arguments()
    for piece in pieces:
        arguments.feed(piece)
    assert arguments.are_valid() is valid


def test_what_repeats_them() -> None:
    arguments = Arguments()
    arguments.feed('{"a": 1}')
    assert [arguments.repeats(text) for text in ('{"a":1}', '{"a"', "", "{}", '{"a":2}', "null")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


NESTED: st.SearchStrategy[Any] = st.recursive(
    st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
VALUES = st.dictionaries(st.text(), NESTED, min_size=1)


@given(VALUES, st.data())
def test_however_they_are_cut_and_repeated(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    again = data.draw(st.sampled_from(["", text, json.dumps(value, indent=1), "{}"]))
    before = data.draw(st.sampled_from(["", "{}", "null"]))
    said = [before, *_cut(text, data), *_cut(again, data)]
    assert all_of(*said) == text


def _cut(text: str, data: st.DataObject) -> list[str]:
    places = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=5))})
    return [text[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize(
    ("said", "text", "goes_on"),
    [
        ("", "{", False),
        ('{"a"', ":", True),
        ('{"a"', "{", False),
        ('{"a": ', "{", True),
        ("[1,", "[", True),
        ("[", "{", True),
        ('{"a": "b', "[c]", True),
        ('{"a": 1', "{", False),
        ("{}", "{", False),
        ('{"a": 1}', "{", False),
    ],
)
def test_a_value_goes_on_with_another_where_one_fits(said: str, text: str, goes_on: bool) -> None:
    arguments = Arguments()
    arguments.feed(said)
    assert arguments.goes_on(text) is goes_on
