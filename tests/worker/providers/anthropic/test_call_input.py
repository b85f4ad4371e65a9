"""The input of a call: said once, however often and in whatever form an endpoint says it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.providers.anthropic.call_input import CallInput, input_text


def said(fragments: list[Any], held: Any = None) -> str:
    """What is said of these fragments, with and after them."""
    call = CallInput(held)
    text = "".join([*(call.add(fragment) for fragment in fragments), call.rest()])
    assert text == call.text
    return text


@pytest.mark.parametrize(
    ("fragments", "held", "expected"),
    [
        pytest.param([], None, "{}", id="nothing"),
        pytest.param([], {"a": 1}, '{"a": 1}', id="in the start alone"),
        pytest.param([], '{"a":1}', '{"a":1}', id="as a text in the start"),
        pytest.param(["{}"], {"a": 1}, '{"a": 1}', id="in the start, and a placeholder"),
        pytest.param(['{"a":', "1}"], {"a": 1}, '{"a":1}', id="in the start and in deltas"),
        pytest.param(["{}", '{"a":', "1}"], None, '{"a":1}', id="a placeholder first"),
        pytest.param(['{}{"a":', "1}"], None, '{"a":1}', id="a placeholder in the first"),
        pytest.param(["{", "}", '{"a":1}'], None, '{"a":1}', id="a placeholder in pieces"),
        pytest.param(["{", '"a":1}'], None, '{"a":1}', id="no placeholder"),
        pytest.param([" ", "{}", " "], None, "{}", id="only a placeholder"),
        pytest.param(['{"a":', "1}", '{"a":1}'], None, '{"a":1}', id="whole once more"),
        pytest.param(['{"a":', "1}", '{"a"', ": 1}"], None, '{"a":1}', id="once more in pieces, spelled otherwise"),
        pytest.param(['{"a":1}', '{"a"'], None, '{"a":1}', id="half once more"),
        pytest.param([{"a": 1}], None, '{"a": 1}', id="a value in place of its text"),
        pytest.param([{"a": 1}, {"a": 1}], None, '{"a": 1}', id="a value twice"),
        pytest.param(['{"a":"}', '{","b":1}'], None, '{"a":"}{","b":1}', id="braces in a string"),
        pytest.param(['{"a":{}', ',"b":{', "}}"], None, '{"a":{},"b":{}}', id="objects in an object"),
        pytest.param(['{"{}{":1}'], None, '{"{}{":1}', id="a placeholder in a string"),
        pytest.param(['{"a":'], None, '{"a":', id="half"),
        pytest.param(["{"], None, "{", id="the first of it"),
    ],
)
def test_what_is_said_of_an_input(fragments: list[Any], held: Any, expected: str) -> None:
    assert said(fragments, held) == expected


def test_two_inputs_are_seen() -> None:
    call = CallInput(None)
    assert call.add('{"a":1}') == '{"a":1}'
    assert (call.is_whole, call.is_mixed) == (True, False)
    assert call.add('{"b":2}') == ""
    assert (call.is_mixed, call.rest()) == (True, '{"b":2}')


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.dictionaries(st.text(), st.integers()))), st.data())
def test_a_usual_input_is_said_as_it_came(value: dict[str, Any], data: st.DataObject) -> None:
    text = input_text(value)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    fragments = [text[begin:end] for begin, end in pairwise(cuts)]
    assert said(fragments) == text
    assert said(["{}", *fragments]) == text
    assert said([*fragments, text]) == text


@pytest.mark.parametrize(
    ("given", "expected"), [(None, "{}"), ("", "{}"), ([], "{}"), ("x", '"x"'), ("[1]", '"[1]"'), ([1], "[1]")]
)
def test_an_input_that_is_no_object(given: Any, expected: str) -> None:
    assert input_text(given) == expected
