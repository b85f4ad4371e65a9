"""What a model wrote as arguments is an object wherever that can be told, and never one that cannot be sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.request.call_arguments import arguments_of
from shared.request.request_json import encode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" \n", {}),
        ("null", {}),
        ('{"x": 1.5}', {"x": 1.5}),
        ('{"x": 12345678901234567890123}', {"x": 12345678901234567890123}),
        ('{"x": "\\ud83d", "y": "\\ud83d\\ude00"}', {"x": "\ufffd", "y": "😀"}),
        ('{"x": "one\ntwo"}', {"x": "one\ntwo"}),
    ],
)
def test_an_object_is_found(text: str, expected: object) -> None:
    assert arguments_of(text) == expected


@pytest.mark.parametrize(
    "text",
    ["[1]", "1", '"x"', '{"x": ', '{}{"x": 1}', '{"x": NaN}', '{"x": 1e999}', "[" * 100_000, '{"x":' * 100_000, "x"],
)
def test_anything_else_is_none(text: str) -> None:
    assert arguments_of(text) is None


@given(
    st.text() | st.from_regex(r'\{"x": ("(\\u[dD][89a-fA-F][0-9a-f]{2}|[a-z\n])*"|-?[0-9]{1,4}(e[0-9]{1,3})?|NaN)\}')
)
def test_what_is_found_can_be_sent(text: str) -> None:
    found = arguments_of(text)
    assert found is None or json.loads(encode(found)) == found
