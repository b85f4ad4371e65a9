"""Heads: what is refused, and in which form the parser gets the others."""

from __future__ import annotations

import pytest

from api.problems.problem import ProblemError
from api.serving.request_head import read_head, request_line


def written(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> list[bytes]:
    return read_head(request_line(first), lines).written.split(b"\r\n")[:-2]


def refusal(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> tuple[int, str]:
    with pytest.raises(ProblemError) as raised:
        read_head(request_line(first), lines)
    return raised.value.status, raised.value.code


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"GET /", (400, "malformed_http")),
        (b"GET / ", (400, "malformed_http")),
        (b"GET  / HTTP/1.1", (400, "malformed_http")),
        (b"GET /a b HTTP/1.1", (400, "malformed_http")),
        (b"GET /#a HTTP/1.1", (400, "malformed_http")),
        (b"GET /\xff HTTP/1.1", (400, "malformed_http")),
        (b"GET / http/1.1", (400, "malformed_http")),
        (b"GET / HTTP/11", (400, "malformed_http")),
        (b"G(T / HTTP/1.1", (400, "malformed_http")),
        (b"GET a HTTP/1.1", (400, "malformed_http")),
        (b"GET * HTTP/1.1", (400, "malformed_http")),
        (b"GET ftp://a/ HTTP/1.1", (400, "malformed_http")),
        (b"GET http://u@a/ HTTP/1.1", (400, "invalid_host")),
        (b"GET http:/// HTTP/1.1", (400, "invalid_host")),
        (b"PRI * HTTP/2.0", (505, "http_version_not_supported")),
        (b"CONNECT a:1 HTTP/1.1", (501, "not_implemented")),
        (b"get / HTTP/1.1", (501, "not_implemented")),
    ],
)
def test_odd_request_lines(first: bytes, expected: tuple[int, str]) -> None:
    assert refusal(b"Host: a", first=first) == expected


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b"a", b"a"],
        *([host] for host in (b"", b"a b", b"a,b", b"a:x", b"a:65536", b"u@a", b"a/b", b"[::1", b"[1::2::3]")),
        *([host] for host in (b"a%zz", b"\xc3\xa4", b":80", b"::1")),
    ],
)
def test_a_request_has_one_valid_host(hosts: list[bytes]) -> None:
    assert refusal(*(b"Host: " + host for host in hosts)) == (400, "invalid_host")


@pytest.mark.parametrize("host", [b"a", b"a:", b"A.example:8000", b"[::1]:80", b"127.0.0.1", b"my_api", b"a%20b"])
def test_valid_hosts(host: bytes) -> None:
    assert written(b"Host: " + host) == [b"GET / HTTP/1.1", b"host: " + host]


def test_http_1_0_may_have_no_host_and_expects_nothing() -> None:
    assert written(b"Expect: 100-continue", first=b"GET / HTTP/1.0") == [b"GET / HTTP/1.0"]
    assert refusal(b"Host: a", b"Host: a", first=b"GET / HTTP/1.0") == (400, "invalid_host")


def test_the_authority_of_an_absolute_form_is_the_host() -> None:
    assert written(b"Host: b", first=b"GET HTTP://a:1/c?d HTTP/1.1") == [b"GET /c?d HTTP/1.1", b"host: a:1"]
    assert written(b"Host: b", first=b"GET https://a?d HTTP/1.1")[0] == b"GET /?d HTTP/1.1"
    assert written(b"Host: b", first=b"GET /http://a/ HTTP/1.7")[0] == b"GET /http://a/ HTTP/1.1"


@pytest.mark.parametrize("connection", [b"Upgrade", b"upgrade,HTTP2-Settings", b" , UPGRADE ,"])
def test_an_offer_to_upgrade_is_ignored(connection: bytes) -> None:
    assert written(b"Host: a", b"upgrade:h2c", b"Connection: " + connection, b"HTTP2-Settings: x") == [
        b"GET / HTTP/1.1",
        b"host: a",
    ]


def test_other_tokens_of_connection_stay() -> None:
    lines = [b"Host: a", b"Upgrade: websocket", b"Connection: keep-alive, Upgrade", b"Connection: Close"]
    assert written(*lines)[2:] == [b"connection: keep-alive, close"]


def test_values_lose_the_spaces_around_them() -> None:
    assert written(b"Host:a", b"X: \t k \t")[2:] == [b"x: k"]


@pytest.mark.parametrize(
    "line", [b"X : a", b" X: a", b"X", b": a", b"X: \0", b"X: a\rb", b"X: \x7f", b"X\xff: a", b"", b"X: a\nb"]
)
def test_malformed_fields(line: bytes) -> None:
    assert refusal(b"Host: a", line) == (400, "malformed_http")


@pytest.mark.parametrize("length", [b"", b"-1", b"+1", b"1, 1", b"0x1", b"1 1", b"9" * 19])
def test_a_length_is_one_number(length: bytes) -> None:
    assert refusal(b"Host: a", b"Content-Length: " + length) == (400, "malformed_http")


def test_two_ways_to_end_a_body_are_refused() -> None:
    chunked = b"Transfer-Encoding: chunked"
    assert refusal(b"Host: a", b"Content-Length: 1", b"Content-Length: 1") == (400, "malformed_http")
    assert refusal(b"Host: a", chunked, b"Content-Length: 1") == (400, "malformed_http")
    assert refusal(b"Host: a", chunked, first=b"GET / HTTP/1.0") == (400, "malformed_http")
    assert refusal(b"Host: a", chunked, chunked) == (501, "not_implemented")
    assert refusal(b"Host: a", b"Transfer-Encoding: gzip, chunked") == (501, "not_implemented")
    assert read_head(request_line(b"POST / HTTP/1.1"), [b"Host: a", chunked]).length is None
