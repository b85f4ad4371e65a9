"""Requests cut out of what a connection sends, at every place where a read may end."""

from __future__ import annotations

import pytest

from api.problems.problem import ProblemError
from api.serving.framing import MAX_CHUNK_LINE_BYTES, MAX_HEADER_FIELDS, RequestFraming

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def cut(data: bytes, size: int, most: int = 1000) -> list[bytes]:
    """The requests in these bytes, that come so many at a time."""
    requests, found = RequestFraming(most), [b""]
    for place in range(0, len(data), size):
        requests.held += data[place : place + size]
        while True:
            found[-1] += b"".join(requests.take())
            if not requests.whole:
                break
            requests.next()
            found.append(b"")
    return found


def body(request: bytes) -> bytes:
    """What of a chunked body, however it is cut, is the body."""
    rest, whole = request.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_each_request_ends_where_it_ends(size: int) -> None:
    counted = POST + b"Content-Length: 5\r\n\r\nab\r\nc"
    chunked = CHUNKED + b"3;x=y\r\nab\n\r\n00A \r\n0123456789\r\n000\r\nAuthorization: Bearer k\r\n\r\n"
    first, second, third, last, rest = cut(GET + counted + b"\r\n" + chunked + CHUNKED + b"0\r\n\r\n", size)
    assert first == GET.replace(b"Host", b"host")
    assert second.endswith(b"\r\n\r\nab\r\nc")
    assert body(third) == b"ab\n0123456789"
    assert b"uthorization" not in third
    assert last.endswith(b"\r\n\r\n0\r\n\r\n")
    assert rest == b""


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"\r\n\r\n", 400),
        (b"\n", 400),
        (b"GET /\r\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (GET[:-2] + b"a: b\n\r\n", 400),
        (GET[:-2] + b"a: b\rc\r\n\r\n", 400),
        (b"G" * 1000, 431),
        (GET[:-2] + b"a: " + b"b" * 970 + b"\r\n\r\n", 431),
        (GET[:-2] + b"a:\r\n" * 300 + b"\r\n", 431),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"\r\n", 400),
        (CHUNKED + b"-1\r\n", 400),
        (CHUNKED + b"1\n", 400),
        (CHUNKED + b"1;" + b"x" * MAX_CHUNK_LINE_BYTES, 400),
        (CHUNKED + b"f" * 16 + b"\r\n", 400),
        (CHUNKED + b"1\r\nab\r\n", 400),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 300, 431),
    ],
)
def test_what_is_no_request_is_refused_as_soon_as_it_is_seen(data: bytes, status: int, size: int) -> None:
    with pytest.raises(ProblemError) as raised:
        cut(data, size)
    assert raised.value.status == status


def test_a_head_has_so_many_fields_at_most() -> None:
    assert cut(POST + b"a:b\r\n" * (MAX_HEADER_FIELDS - 2) + b"\r\n", 65_536, most=65_536)
    for end in (b"\r\n", b""):  # whole or not
        with pytest.raises(ProblemError) as raised:
            cut(POST + b"a:b\r\n" * MAX_HEADER_FIELDS + end, 65_536, most=65_536)
        assert (raised.value.status, raised.value.code) == (431, "headers_too_large")


def test_it_says_whether_a_request_has_begun() -> None:
    requests = RequestFraming(1000)
    assert not requests.begun
    requests.held += POST[:4]
    assert list(requests.take()) == []
    assert requests.begun
    assert not requests.headed
    requests.held += POST[4:] + b"Content-Length: 3\r\n\r\nab"
    assert b"".join(requests.take()).endswith(b"\r\n\r\nab")
    assert requests.begun
    assert (requests.headed, requests.taken) == (True, 2)
    requests.held += b"cGET"
    assert list(requests.take()) == [b"c"]
    assert (requests.whole, requests.begun) == (True, False)
    assert requests.held == b"GET"
