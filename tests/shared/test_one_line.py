"""Text of others, in a log and as JSON, holds nothing that a terminal obeys."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.one_line import escaped, json_escaped

OBEYED = "\x7f\x80\x9b\x9d\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"


@given(st.text())
def test_a_line_is_one_and_can_be_seen(text: str) -> None:
    assert escaped(text).isprintable()
    assert "\n" not in escaped(text)


@pytest.mark.parametrize("text", ["plain", "Zwölf 😀", "日本"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert escaped(text) == text


@given(st.text())
def test_json_says_the_same(text: str) -> None:
    value = {text + OBEYED: [text]}
    written = json_escaped(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    assert json.loads(written) == json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    assert not set(OBEYED) & set(written.decode())
