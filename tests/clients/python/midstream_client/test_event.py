"""The JSON of an event, from whoever may answer at an address."""

from __future__ import annotations

import pytest

from midstream_client.event import MAX_LEVELS, json_object


@pytest.mark.parametrize("text", [b"", b"[]", b"<html>", b"{", b'"a"', b"null", "{} {}"])
def test_what_is_no_object(text: bytes | str) -> None:
    assert json_object(text) is None


def test_an_object() -> None:
    assert json_object('{"a": "wörld \u2028"}'.encode()) == {"a": "wörld \u2028"}
    # A byte that is no UTF-8 becomes U+FFFD, as in any event stream.
    assert json_object(b'{"a": "\xff"}') == {"a": "\ufffd"}


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_nesting_is_bounded(opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"

    def nested(levels: int) -> str:
        return '{"a":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}"

    assert json_object(nested(MAX_LEVELS)) is not None
    assert json_object(nested(MAX_LEVELS + 2)) is None
    assert json_object(nested(200_000)) is None
