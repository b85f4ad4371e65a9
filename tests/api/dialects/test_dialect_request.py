"""Where a dialect's body is as ours, so are its places."""

from __future__ import annotations

from api.dialects.dialect_request import DialectRequest


def test_a_place_is_the_same_unless_the_dialect_says_otherwise() -> None:
    assert DialectRequest({}).pointer("/messages/0") == "/messages/0"
