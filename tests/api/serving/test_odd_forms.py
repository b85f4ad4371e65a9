"""Each method at each address in each odd form, over raw sockets: answered as its plain form is, or refused by name."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.api.harness import DEADLINE, Api

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
NONE = "gen_" + "a" * 32
ALLOWED = {
    "/": ("GET", "HEAD"),
    "/g/x": ("GET", "HEAD"),
    "/livez": ("GET", "HEAD"),
    "/readyz": ("GET", "HEAD"),
    "/openapi.json": ("GET", "HEAD"),
    "/v1/models": ("GET", "HEAD"),
    "/v1/models/simulator/demo": ("GET", "HEAD"),
    "/v1/usage": ("GET", "HEAD"),
    "/v1/generations": ("GET", "HEAD", "POST"),
    f"/v1/generations/{NONE}": ("GET", "HEAD", "DELETE"),
    f"/v1/generations/{NONE}/events": ("GET", "HEAD"),
    f"/v1/generations/{NONE}/cancel": ("POST",),
    "/nothing": (),
}
HOST = "Host: localhost\r\n"

SAME: dict[str, str] = {
    "absolute form": "{method} http://localhost{path} HTTP/1.1\r\n{host}\r\n",
    "absolute form, another Host": "{method} HTTP://localhost:1{path} HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.0": "{method} {path} HTTP/1.0\r\n\r\n",
    "HTTP/1.0, kept": "{method} {path} HTTP/1.0\r\n{host}Connection: keep-alive\r\n\r\n",
    "HTTP/1.9": "{method} {path} HTTP/1.9\r\n{host}\r\n",
    "an empty line first": "\r\n{method} {path} HTTP/1.1\r\n{host}\r\n",
    "other case": "{method} {path} HTTP/1.1\r\nhOST:\t LOCALHOST \t\r\nX-A:\r\n\r\n",
    "query": "{method} {path}?x=%00&y HTTP/1.1\r\n{host}\r\n",
    "escaped": "{method} {escaped} HTTP/1.1\r\n{host}\r\n",
    "upgrade": "{method} {path} HTTP/1.1\r\n{host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    "HTTP2-Settings: AA\r\n\r\n",
    "websocket": "{method} {path} HTTP/1.1\r\n{host}Connection: upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n",
    "closes": "{method} {path} HTTP/1.1\r\n{host}Connection: CLOSE, x\r\n\r\n",
    "no body": "{method} {path} HTTP/1.1\r\n{host}Content-Length: 00\r\n\r\n",
    "no chunk": "{method} {path} HTTP/1.1\r\n{host}Content-Type: application/json\r\nTransfer-Encoding: Chunked\r\n\r\n"
    "0;a=b\r\nTrailer-Of: x\r\n\r\n",
    "expects": "{method} {path} HTTP/1.1\r\n{host}Content-Length: 0\r\nExpect: 100-continue\r\n\r\n",
}
REFUSED: dict[str, tuple[int, str]] = {
    "no Host": (400, "{method} {path} HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, "{method} {path} HTTP/1.1\r\n{host}{host}\r\n"),
    "no possible Host": (400, "{method} {path} HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "no version": (400, "{method} {path}\r\n\r\n"),
    "another version": (505, "{method} {path} HTTP/2.0\r\n{host}\r\n"),
    "two spaces": (400, "{method}  {path} HTTP/1.1\r\n{host}\r\n"),
    "a space in the path": (400, "{method} {path}a b HTTP/1.1\r\n{host}\r\n"),
    "a fragment": (400, "{method} {path}#a HTTP/1.1\r\n{host}\r\n"),
    "a space before the colon": (400, "{method} {path} HTTP/1.1\r\n{host}X : y\r\n\r\n"),
    "no colon": (400, "{method} {path} HTTP/1.1\r\n{host}X\r\n\r\n"),
    "a folded line": (400, "{method} {path} HTTP/1.1\r\n{host}X: y\r\n z\r\n\r\n"),
    "a control character": (400, "{method} {path} HTTP/1.1\r\n{host}X: \x01\r\n\r\n"),
    "a bare LF": (400, "{method} {path} HTTP/1.1\n{host}\r\n"),
    "a bare CR": (400, "{method} {path} HTTP/1.1\r\n{host}X: a\rY: b\r\n\r\n"),
    "two lengths": (
        400,
        "{method} {path} HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    ),
    "a length beside chunks": (
        400,
        "{method} {path} HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a negative length": (400, "{method} {path} HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n"),
    "chunks in HTTP/1.0": (
        400,
        "{method} {path} HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "another coding": (501, "{method} {path} HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n"),
    "an unknown method": (501, "{method}X {path} HTTP/1.1\r\n{host}\r\n"),
    "a head that is too long": (
        431,
        "{method} {path} HTTP/1.1\r\nX: {long}\r\n{host}\r\n",
    ),
    "a slash at the end": (404, "{method} {path}/ HTTP/1.1\r\n{host}\r\n"),
    "a foreign Host": (421, "{method} {path} HTTP/1.1\r\nHost: rebound.example\r\n\r\n"),
}


def written(form: str, method: str, path: str) -> str:
    """The request in this form."""
    escaped = path if path == "/" else f"{path[:-1]}%{ord(path[-1]):02x}"
    return form.format(method=method, path=path, escaped=escaped, host=HOST, long="y" * 70_000)


async def answered(api: Api, request: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and the first bytes after them."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(request.encode("latin-1"))
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        while first.startswith("HTTP/1.1 100"):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        rest = b""
        if request.split()[0] != "HEAD" and int(fields.get("content-length", "0")):
            rest = await reader.readexactly(int(fields["content-length"]))
        writer.transport.abort()
    return int(first.split()[1]), fields, rest


@pytest.fixture
async def plain(api: Api) -> dict[tuple[str, str], int]:
    """What the plain form of each method at each address is answered."""
    found = {}
    for method, (path, allowed) in itertools.product(METHODS, ALLOWED.items()):
        status, fields, body = await answered(api, written("{method} {path} HTTP/1.1\r\n{host}\r\n", method, path))
        found[method, path] = status
        if method in allowed:
            assert status in (200, 400, 404), (method, path)
            assert status != 404 or method == "HEAD" or b'"not_found"' in body, (method, path)
        elif allowed:
            assert (status, fields["allow"].split(", ")) == (405, [*allowed]), (method, path)
        else:
            assert status == 404, (method, path)
    return found


@pytest.mark.parametrize("form", SAME)
async def test_what_is_allowed_is_answered_as_its_plain_form(
    api: Api, plain: dict[tuple[str, str], int], form: str
) -> None:
    got = {request: (await answered(api, written(SAME[form], *request)))[0] for request in plain}
    assert {request: status for request, status in got.items() if status != plain[request]} == {}


@pytest.mark.parametrize("form", REFUSED)
async def test_what_is_not_is_refused_with_a_problem(api: Api, form: str) -> None:
    wanted, template = REFUSED[form]
    for method, path in itertools.product(METHODS, ALLOWED):
        if wanted == 421 and path in ("/livez", "/readyz"):
            continue
        status, fields, body = await answered(api, written(template, method, path))
        assert status == wanted, (method, path)
        assert fields["content-type"] == "application/problem+json", (method, path)
        assert method == "HEAD" or f'"status":{wanted}'.encode() in body, (method, path)
