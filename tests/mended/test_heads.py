"""What callers send before a key is known, over raw sockets: bounds, times, odd forms, and kept connections."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mended.conftest import Start
from tests.mended.running import Running, until

POST = {"model": "simulator/echo", "messages": [{"role": "user", "content": "hi"}]}
BODY = json.dumps(POST).encode()
TO_POST = b"POST /v1/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
READY = GET.replace(b"livez", b"readyz")
LATE = 30.0
"""Seconds that one read may take."""

Answered = tuple[int, dict[str, str], bytes]


class Wire:
    """A connection as a hostile client has it: bytes out, answers in."""

    def __init__(self, running: Running) -> None:
        self.socket = socket.create_connection(("127.0.0.1", running.port), timeout=LATE)
        self.held = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """As much of it as the server takes."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)

    def until(self, mark: bytes) -> bytes:
        """What comes up to the mark and with it, or to the end."""
        while mark not in self.held:
            if not (piece := self._more()):
                break
            self.held += piece
        found, mark, self.held = self.held.partition(mark)
        return found + mark

    def answer(self, *, body: bool = True) -> Answered:
        """The next response, whose body has a length; status 0 where there is none."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        if not (found := re.match(r"HTTP/1\.1 (\d{3})", head)):
            return 0, {}, b""
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value for name, value in lines}
        length = int(headers.get("content-length", 0)) if body else 0
        while len(self.held) < length and (piece := self._more()):
            self.held += piece
        content, self.held = self.held[:length], self.held[length:]
        return int(found[1]), headers, content

    def rest(self) -> bytes:
        """To the end that the server makes."""
        return self.until(b"no server says this")

    def _more(self) -> bytes:
        try:
            return self.socket.recv(65_536)
        except ConnectionError:
            return b""


def problem(answered: Answered) -> tuple[int, str]:
    status, headers, content = answered
    if headers.get("content-type") != "application/problem+json":
        return status, "no problem document"
    return status, json.loads(content)["code"]


def said(running: Running, data: bytes) -> Answered:
    with Wire(running) as wire:
        wire.send(data)
        return wire.answer()


@pytest.fixture(scope="module")
def up(start_shared: Start) -> Running:
    return start_shared()


ODD = {
    b"GET /livez\r\n\r\n": 400,
    b"GET /livez \r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: u@a\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a:99999\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: [::1\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a\r\n b\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n": 400,
    b"GET /livez HTTP/1.1\nHost: a\n\n": 400,
    b"GET livez HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01": 400,
    TO_POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}": 400,
    TO_POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}": 400,
    TO_POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
    TO_POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n": 501,
    b"MAKE /livez HTTP/1.1\r\nHost: a\r\n\r\n": 501,
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n": 501,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505,
    b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + b"\r\n\r\n": 431,
    b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 20_000 + b"\r\n": 431,
    b"GET /" + b"y" * 70_000: 431,
    TO_POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 20_000: 431,
}


@pytest.mark.mended("front-9")
def test_malformed_http_gets_a_problem_document(up: Running) -> None:
    got = {data: said(up, data) for data in ODD}
    wrong = {
        data[:80]: (problem(one), status)
        for (data, one), status in zip(got.items(), ODD.values(), strict=True)
        if one[0] != status or "no problem" in problem(one)[1] or one[1].get("connection") != "close"
    }
    assert not wrong


@pytest.mark.mended("front-9")
def test_forms_that_are_allowed_are_answered(up: Running) -> None:
    assert said(up, b"GET http://other.localhost:1/livez HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
    assert said(up, b"\r\n" + GET)[0] == 200
    assert said(up, b"GET /livez HTTP/1.0\r\n\r\n")[0] == 200
    assert said(up, b"GET /livez HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n")[0] == 200
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    assert said(up, TO_POST + chunks + b"\r\n")[0] == 202
    # A trailer is no header: this Idempotency-Key is malformed, and is not looked at.
    key = b"Idempotency-Key: " + b"k" * 300 + b"\r\n"
    assert said(up, TO_POST + key + LENGTH)[0] == 400
    assert said(up, TO_POST + chunks + key + b"\r\n")[0] == 202


@pytest.mark.mended("front-9")
def test_head_is_where_get_is_and_allow_names_all_methods(up: Running) -> None:
    generation = up.ask("simulator/echo")
    assert up.end(generation)["state"] == "completed"
    one = f"/v1/generations/{generation}"
    allowed = {
        "/v1/generations": "GET, HEAD, POST",
        one: "GET, HEAD, DELETE",
        f"{one}/events": "GET, HEAD",
        f"{one}/cancel": "POST",
        "/v1/models": "GET, HEAD",
        "/v1/usage": "GET, HEAD",
        "/livez": "GET, HEAD",
        "/readyz": "GET, HEAD",
        "/openapi.json": "GET, HEAD",
        "/": "GET, HEAD",
    }
    with Wire(up) as wire:
        for path, methods in allowed.items():
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                if method in ("GET", "POST", "DELETE") and method in methods:
                    continue
                wire.send(b"%b %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method.encode(), path.encode()))
                status, headers, _ = wire.answer(body=method != "HEAD")
                if method in methods.split(", "):
                    assert (status, wire.held) == (200, b""), (method, path)
                else:
                    assert (status, headers.get("allow")) == (405, methods), (method, path)


@pytest.mark.mended("front-9")
def test_all_accept_lines_and_their_qualities_count(up: Running) -> None:
    asked = {
        b"Accept: text/event-stream;q=0\r\n": 202,
        b"Accept: application/json, text/event-stream;q=0.5\r\n": 202,
        b"Accept: application/json\r\nAccept: text/event-stream\r\n": 200,
        b"Accept: text/event-stream;q=0.5\r\n": 200,
        b"Accept: */*\r\n": 202,
    }
    assert {accept: said(up, TO_POST + accept + LENGTH)[0] for accept in asked} == asked


UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    b"Upgrade: TLS/1.2\r\nConnection: upgrade\r\n",
    b"connection: UPGRADE\r\nConnection: keep-alive\r\nUPGRADE: h2c, foo/1\r\n",
]


@pytest.mark.mended("front-4")
def test_an_offer_to_upgrade_is_ignored_and_the_body_is_read(up: Running) -> None:
    for upgrade in UPGRADES:
        with Wire(up) as wire:
            wire.send(TO_POST + upgrade + LENGTH)
            assert wire.answer()[0] == 202
            wire.send(TO_POST + upgrade + b"Expect: 100-continue\r\n" + LENGTH[: -len(BODY)])
            assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
            wire.send(BODY)
            assert wire.answer()[0] == 202
            wire.send(GET.replace(b"Host", upgrade + b"Host"))
            assert wire.answer()[0] == 200


@pytest.mark.mended("front-5")
def test_kept_connections_say_for_how_long_and_outlive_five_seconds(up: Running) -> None:
    with Wire(up) as fresh, Wire(up) as used:
        used.send(GET)
        status, headers, _ = used.answer()
        assert (status, headers["keep-alive"]) == (200, "timeout=75")
        time.sleep(6)  # what is tried is a span of time
        for wire in (fresh, used):
            wire.send(GET)
            assert wire.answer()[0] == 200
        used.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
        status, headers, _ = used.answer()
        assert (status, headers["connection"], headers.get("keep-alive")) == (200, "close", None)
        assert used.rest() == b""


@pytest.mark.mended("front-9")
@pytest.mark.parametrize("second", [b"GET /livez HTTP/1.0\r\n\r\n", GET.replace(b"Host", b"Connection: close\r\nHost")])
def test_a_second_request_does_not_cut_the_first_stream(up: Running, second: bytes) -> None:
    generation = up.ask("simulator/lorem?deltas=20&rate=40")
    with Wire(up) as wire:
        wire.send(b"GET /v1/generations/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % generation.encode() + second)
        assert b"200" in wire.until(b"\r\n\r\n")
        assert b"event: completed" in wire.until(b"\r\n0\r\n\r\n")
        assert wire.answer()[0] == 200
        assert wire.rest() == b""


@pytest.mark.mended("front-5", guard=True)
def test_a_kept_connection_goes_on_after_a_request_that_was_answered_before_its_end(up: Running) -> None:
    for path in (b"/v1/generations/", b"/v1/models"):
        with Wire(up) as wire:
            wire.send(TO_POST.replace(b"/v1/generations", path) + b"Content-Length: 9\r\n\r\n1234")
            assert wire.answer()[0] in (307, 404, 405)
            wire.send(b"56789" + GET)
            assert wire.answer()[0] == 200
            wire.send(GET)
            assert wire.answer()[0] == 200


@pytest.mark.mended("front-9")
def test_a_body_that_is_too_large_is_read_out_so_that_the_answer_is_seen(up: Running) -> None:
    for framing in (b"Content-Length: 24000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n16e3600\r\n"):
        with Wire(up) as wire:
            # As urllib, requests and httpx do: all is sent before the answer is read.
            wire.socket.sendall(TO_POST + framing)
            for _ in range(24):
                wire.socket.sendall(b" " * 1_000_000)
            answered = wire.answer()
            assert problem(answered) == (413, "body_too_large")
            assert answered[1]["connection"] == "close"


@pytest.fixture(scope="module")
def hasty(start_shared: Start) -> Running:
    """Times that can be waited for; 2f49695 does not know these settings, and warns."""
    return start_shared(
        env={
            "MIDSTREAM_HEADER_TIMEOUT": "1",
            "MIDSTREAM_BODY_TIMEOUT": "1.5",
            "MIDSTREAM_KEEP_ALIVE": "6",
            "MIDSTREAM_MAX_CONNECTIONS": "40",
        }
    )


@pytest.mark.mended("front-3")
def test_half_a_head_and_half_a_body_have_their_time(hasty: Running) -> None:
    stream = b"GET /v1/generations/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ended = hasty.ask("simulator/lorem?deltas=20&rate=40").encode()
    halves = [
        GET[:10],
        b"G",
        TO_POST + LENGTH[:-1],
        TO_POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        GET + GET[:10],
        stream % ended + GET[:10],
    ]
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(hasty)) for _ in halves]
        idle = stack.enter_context(Wire(hasty))
        for wire, half in zip(wires, halves, strict=True):
            wire.socket.settimeout(15)
            wire.send(half)
        began = time.monotonic()
        for wire, half in zip(wires, halves, strict=True):
            if half.startswith(GET):
                assert wire.answer()[0] == 200
            if half.startswith(b"GET /v1"):
                wire.until(b"\r\n0\r\n\r\n")
            assert problem(wire.answer()) == (408, "request_timeout")
            assert wire.held == b""
        assert time.monotonic() - began < 5
        idle.send(GET)
        assert idle.answer()[0] == 200


@pytest.mark.mended("front-3", guard=True)
def test_a_slow_body_that_moves_is_read(hasty: Running) -> None:
    filler = json.dumps({**POST, "metadata": {"a": "b"}}).encode()
    body = filler + b" " * (160_000 - len(filler))
    with Wire(hasty) as wire:
        wire.send(TO_POST + b"Content-Length: %d\r\n\r\n" % len(body))
        for place in range(0, len(body), 32_000):  # longer than 1.5 s, and as fast as it must be
            wire.send(body[place : place + 32_000])
            time.sleep(0.5)
        assert wire.answer()[0] == 202


@pytest.mark.mended("front-3")
def test_more_connections_than_there_is_room_for_are_told(hasty: Running) -> None:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(hasty)) for _ in range(60)]
        for wire in wires:
            wire.send(GET)
        answers = [wire.answer() for wire in wires]
        assert {problem(one) for one in answers if one[0] != 200} == {(503, "too_many_connections")}
        assert 30 <= sum(one[0] == 200 for one in answers) <= 40
        told = [stack.enter_context(Wire(hasty)) for _ in range(80)]
        assert {problem(wire.answer()) for wire in told} == {(503, "too_many_connections")}
        assert problem(said(hasty, READY)) == (503, "too_many_connections")
    assert hasty.output().count("as many as this process takes") == 1
    until(lambda: said(hasty, GET)[0] == 200, 10, hasty)


@pytest.mark.mended("front-3")
def test_headers_take_no_memory(up: Running) -> None:
    [api] = up.children("api") or up.children("up")
    before = peak(api)

    def flood(_: int) -> None:
        with Wire(up) as wire:
            wire.send(b"GET / HTTP/1.1\r\n")
            for _ in range(40):
                wire.send(b"X: " + b"y" * 1_000_000 + b"\r\n")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(flood, range(4)))
    assert peak(api) - before < 40_000


def peak(pid: int) -> int:
    """Kilobytes that it has had at most."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


@pytest.mark.mended("front-5")
def test_while_it_drains_a_kept_connection_is_answered_once_more(start: Start) -> None:
    running = start()
    with Wire(running) as wire, Wire(running) as idle:
        wire.send(GET)
        assert wire.answer()[0] == 200
        running.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(running), 10, running)
        wire.send(TO_POST + LENGTH)
        status, headers, _ = wire.answer()
        assert (status, headers["connection"]) == (202, "close")
        assert wire.rest() == b""
        assert idle.rest() == b""
    running.stop()
    assert "Traceback" not in running.output()


def refuses(running: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", running.port), timeout=5).close()
    except OSError:
        return True
    return False
