"""What answers mean, and what is never asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from midstream_client import (
    ClientError,
    DeniedError,
    GoneError,
    NotFoundError,
    NotMidstreamError,
    RefusedError,
    RetryBudget,
    UnreachableError,
)
from midstream_client.exchange import MAX_PROBLEM_BYTES, Call, Request, conversation_path, path_of, problem

URL = "http://midstream.test"


def call() -> Call:
    return Call(URL, RetryBudget(), Request("GET", "/v1/models", {}))


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, RefusedError, False),
        (401, DeniedError, False),
        (403, DeniedError, False),
        (404, NotFoundError, False),
        (408, ClientError, True),
        (409, ClientError, False),
        (410, GoneError, False),
        (413, RefusedError, False),
        (418, ClientError, False),
        (422, RefusedError, False),
        (429, ClientError, True),
        (500, ClientError, True),
        (502, UnreachableError, True),
        (503, UnreachableError, True),
    ],
)
def test_errors_by_status(status: int, kind: type[ClientError], retryable: bool) -> None:
    said = {"title": "No", "detail": "why", "code": "c", "errors": [{"pointer": "/model", "message": "unknown"}]}
    error = problem(URL, status, {"retry-after": "7"}, json.dumps(said).encode())
    assert (type(error), error.retryable, error.status, error.code) == (kind, retryable, status, "c")
    assert (str(error), error.retry_after, error.problem) == ("No: /model unknown", 7.0, said)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"errors": 5, "title": null}', b'{"errors": [5]}'])
def test_a_proxy_may_answer_with_anything(body: bytes) -> None:
    assert str(problem(URL, 502, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, body)) == f"{URL} answers 502"


def test_what_is_not_to_be_repeated_is_not() -> None:
    assert not problem(URL, 429, {"x-should-retry": "false"}, b"").retryable
    assert problem(URL, 429, {"x-should-retry": "true"}, b"").retryable


def test_a_call_is_repeated_until_it_is_answered() -> None:
    asked = call()
    asked.opened(503, {"retry-after": "3"})
    assert list(asked.received(b"{}")) == []
    assert asked.closed() == []
    assert asked.pause() >= 3
    asked.failed(UnreachableError("lost", retryable=True))
    assert not asked.done
    asked.opened(200, {})
    for piece in (b'{"a"', b": 1}"):
        assert list(asked.received(piece)) == []
    assert asked.closed() == []
    assert (asked.done, asked.result, asked.pause()) == (True, {"a": 1}, 0)


def test_half_of_a_refusal_is_no_answer() -> None:
    asked = call()
    asked.opened(503, {})
    list(asked.received(b'{"a": '))
    asked.failed(UnreachableError("lost", retryable=True))
    asked.opened(200, {})
    list(asked.received(b'{"b": 2}'))
    asked.closed()
    assert asked.result == {"b": 2}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_what_is_no_object_is_not_ours(body: bytes) -> None:
    asked = call()
    asked.opened(200, {})
    list(asked.received(body))
    with pytest.raises(NotMidstreamError):
        asked.closed()


def test_204_is_an_answer_too() -> None:
    asked = call()
    asked.opened(204, {})
    asked.closed()
    assert (asked.done, asked.result) == (True, {})


def test_a_refusal_without_end_is_not_kept() -> None:
    asked = call()
    asked.opened(422, {})
    for _ in range(100):
        list(asked.received(b" " * MAX_PROBLEM_BYTES))
    with pytest.raises(RefusedError, match="answers 422"):
        asked.closed()


@pytest.mark.parametrize("generation_id", ["", "..", "a/b", "a?b", "a\nb", "ä", "x" * 129])
def test_what_is_no_id_never_reaches_a_path(generation_id: str) -> None:
    with pytest.raises(NotFoundError):
        path_of(generation_id)


def test_a_conversations_name_is_one_segment() -> None:
    assert conversation_path("a/b?c#é %") == "/v1/conversations/a%2Fb%3Fc%23%C3%A9%20%25"
    names: list[Any] = ["", ".", "..", "a\nb", "x" * 129]
    for name in names:
        with pytest.raises(NotFoundError):
            conversation_path(name)
