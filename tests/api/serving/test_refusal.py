"""Answers without a route: whole HTTP, the same documents as the routes', and the end of the connection."""

from __future__ import annotations

import json

import httptools
import pytest

from api.problems.problem import ProblemError
from api.serving.refusal import refusal, too_many, too_slow


class Reader:
    """What an HTTP client makes of it."""

    def __init__(self, answer: bytes) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(answer)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.lower() not in self.headers, name
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (too_slow("head", "MIDSTREAM_HEADER_TIMEOUT"), 408, "request_timeout"),
        (too_many(7), 503, "too_many_connections"),
        (ProblemError(400, "malformed_request", "t", "é", headers={"X-Own": "1"}), 400, "malformed_request"),
    ],
)
def test_it_is_one_whole_answer_that_closes(problem: ProblemError, status: int, code: str) -> None:
    read = Reader(refusal(problem, [(b"server", b"ours")]))
    assert (read.status, read.complete) == (status, True)
    assert read.headers[b"connection"] == b"close"
    assert read.headers[b"server"] == b"ours"
    assert read.headers[b"content-type"] == b"application/problem+json"
    assert int(read.headers[b"content-length"]) == len(read.body)
    assert json.loads(read.body) == json.loads(bytes(problem.response().body))
    assert json.loads(read.body)["code"] == code
    for name, value in (problem.headers or {}).items():
        assert read.headers[name.lower().encode()].decode() == value


def test_they_say_what_to_do() -> None:
    slow = too_slow("body", "MIDSTREAM_BODY_TIMEOUT")
    assert "body" in slow.detail
    assert "MIDSTREAM_BODY_TIMEOUT" in slow.detail
    many = too_many(7)
    assert "takes 7" in many.detail
    assert many.retryable
