"""What the wire formats have in common: JSON that is UTF-8 whatever was said, and credentials."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.wire import bearer, document, quoted


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_a_json_string_in_utf_8(text: str) -> None:
    assert json.loads(quoted(text).decode("utf-8")) == json.loads(json.dumps(text))
    assert json.loads(document({"a": text}).decode("utf-8")) == json.loads(json.dumps({"a": text}))


def test_text_stays_readable_and_half_a_pair_is_escaped() -> None:
    assert quoted('é 日 "x"') == '"é 日 \\"x\\""'.encode()
    assert quoted("\ud83d") == b'"\\ud83d"'


def test_a_document_has_no_spaces() -> None:
    assert document({"a": [1, {"b": None}], "c": True}) == b'{"a":[1,{"b":null}],"c":true}'


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer k-1", "k-1"),
        (b"bearer  k-1 ", "k-1"),
        (b"Basic k-1", ""),
        (b"Bearer", ""),
        (b"k-1", ""),
        (b"Bearer \xff", "\xff"),
        (None, ""),
    ],
)
def test_a_bearer_token(header: bytes | None, token: str) -> None:
    assert bearer({} if header is None else {b"authorization": header}) == token
