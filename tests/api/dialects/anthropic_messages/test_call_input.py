"""A call's input is one JSON object at each point, whatever a model wrote and however it was cut."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiter import from_json

from api.dialects.anthropic_messages.call_input import CallInput, input_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
JSON_LIKE = st.text(st.sampled_from(list('{}[]",:\\u0aed83-1.5tfn \n')), max_size=30)


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


def sent(texts: list[str]) -> list[str]:
    call = CallInput()
    return [*(call.feed(text) for text in texts), call.close()]


@given(
    value=st.dictionaries(st.text(), VALUES, max_size=3),
    ascii_=st.booleans(),
    indent=st.none() | st.just(2),
    cuts=st.lists(st.integers(0, 60)),
)
def test_an_object_goes_on_as_it_is(value: dict[str, Any], ascii_: bool, indent: int | None, cuts: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=ascii_, indent=indent)
    said = "".join(sent(pieces(text, cuts)))
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert json.loads(said)
    else:
        assert said == text


@given(text=JSON_LIKE | st.text(max_size=20), cuts=st.lists(st.integers(0, 30)))
def test_no_text_is_anything_that_an_sdk_cannot_parse(text: str, cuts: list[int]) -> None:
    said = sent(pieces(text, cuts))
    so_far = ""
    for piece in said:
        so_far += piece
        if so_far:
            assert isinstance(from_json(so_far.encode("utf-8", "replace"), partial_mode=True), dict)
    assert so_far == input_of(text)
    if so_far:
        assert isinstance(json.loads(so_far), dict)


@pytest.mark.parametrize("text", ["", "  \n", "null", " null "])
def test_no_input_is_nothing(text: str) -> None:
    assert input_of(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('\n{"a": 1} ', '{"a": 1}'),
        ("{ }", "{ }"),
        ('{"a": "new\nline\t"}', '{"a": "new\\nline\\t"}'),
        ('{"a": "\\ud83d\\ude00"}', '{"a": "\\ud83d\\ude00"}'),
        ('{"a": "\\ud83d."}', '{"a": "\\ufffd."}'),
        ("nonsense", '{"INVALID_JSON":"nonsense"}'),
        ("[1]", '{"INVALID_JSON":"[1]"}'),
        ("{", '{"INVALID_JSON":"{"}'),
        ('{"a', '{"a":null,"INVALID_JSON":"{\\"a"}'),
        ('{"a":', '{"a":null,"INVALID_JSON":"{\\"a\\":"}'),
        ('{"a":1,}', '{"a":1,"INVALID_JSON":"{\\"a\\":1,}"}'),
        ('{"a":[{"b":"c', '{"a":[{"b":"c"}],"INVALID_JSON":"{\\"a\\":[{\\"b\\":\\"c"}'),
        ("{}{}", '{"INVALID_JSON":"{}{}"}'),
        ('{"a":1}{"b":2}', '{"a":1,"INVALID_JSON":"{\\"a\\":1}{\\"b\\":2}"}'),
        ('{"a":NaN}', '{"a":null,"INVALID_JSON":"{\\"a\\":NaN}"}'),
        ('{"a":1e999}', '{"a":null,"INVALID_JSON":"{\\"a\\":1e999}"}'),
        ("{'a':1}", '{"INVALID_JSON":"{\'a\':1}"}'),
        ('{"a" 1}', '{"a":null,"INVALID_JSON":"{\\"a\\" 1}"}'),
        ('{"a":"\\x"}', '{"a":"","INVALID_JSON":"{\\"a\\":\\"\\\\x\\"}"}'),
    ],
)
def test_what_is_no_object_ends_as_one_that_says_so(text: str, expected: str) -> None:
    assert input_of(text) == expected
    json.loads(expected)


def test_it_is_bounded_in_depth() -> None:
    deep = json.loads(input_of('{"a":' + "[" * 100 + "]" * 100 + "}"))
    assert set(deep) == {"a", "INVALID_JSON"}


def test_a_text_is_sent_as_it_comes() -> None:
    assert sent(['{"te', 'xt": "a', "b", 'c"', "}"]) == ['{"te', 'xt": "a', "b", 'c"', "", "}"]
