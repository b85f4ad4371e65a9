"""The id of a request: the caller's own where it is one, the same wherever it is asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.request_ids import SCOPE_KEY, answer_headers, new_request_id, request_id

MADE = re.compile(r"req_[0-9a-f]{32}")


def scope(*values: bytes) -> dict[str, Any]:
    return {"type": "http", "headers": [(b"host", b"x"), *((b"x-request-id", value) for value in values)]}


@pytest.mark.parametrize("value", [b"a", b'trace 1/2 "x"', b"x" * 128, b"~!"])
def test_the_callers_own_is_kept(value: bytes) -> None:
    assert request_id(scope(value)) == value.decode()
    assert request_id(scope(value, b"other")) == value.decode()


@pytest.mark.parametrize("value", [b"", b"x" * 129, b" x", b"x ", b"\xe9", b"a\tb", b"a\nb", b"a\x7f"])
def test_what_is_no_id_is_replaced(value: bytes) -> None:
    assert MADE.fullmatch(request_id(scope(value)))


def test_a_request_has_one_id() -> None:
    asked = scope()
    first = request_id(asked)
    assert MADE.fullmatch(first)
    assert request_id(asked) == first == asked[SCOPE_KEY]
    assert request_id({"type": "http"}) != first
    assert new_request_id() != new_request_id()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/messages", [b"x-request-id", b"request-id"]),
        ("/v1/messages/msg_x", [b"x-request-id", b"request-id"]),
        ("/v1/messages/a\nb", [b"x-request-id", b"request-id"]),
        ("/v1/messagesx", [b"x-request-id"]),
        ("/v1/models", [b"x-request-id"]),
        ("", [b"x-request-id"]),
    ],
)
def test_which_headers_say_it(path: str, names: list[bytes]) -> None:
    assert answer_headers(path, "an id") == [(name, b"an id") for name in names]
