"""A server of httpx2's transports that follows a script of clients/cases.json, in a time of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2

from midstream_client import RetryBudget
from tests.harness.repository import ROOT

Case = dict[str, Any]
TABLE = ROOT / "clients" / "cases.json"


def cases(table: Path = TABLE) -> list[Case]:
    """All cases of the table."""
    found: list[Case] = json.loads(table.read_text(encoding="utf-8"))["cases"]
    return found


class Time:
    """A clock that goes on where somebody waits, and only there."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def budget(self) -> RetryBudget:
        """What a client of the table has: it gives up later than any case does."""
        return RetryBudget(total=1000.0, clock=lambda: self.now)


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of one answer: its chunks, silences and end."""

    def __init__(self, time: Time, answer: dict[str, Any], silence: float) -> None:
        self.time, self.answer, self.silence = time, answer, silence

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.answer["chunks"]:
            match chunk:
                case str():
                    yield chunk.encode()
                case {"hex": str(digits)}:
                    yield bytes.fromhex(digits)
                case {"silence_s": seconds}:
                    self.quiet(seconds)
                case _:
                    raise AssertionError(f"no chunk: {chunk}")
        match self.answer["end"]:
            case "cut":
                raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body")
            case "hang":
                self.quiet(1e9)
            case end:
                assert end == "close"

    def quiet(self, seconds: float) -> None:
        self.time.now += min(seconds, self.silence)
        if seconds > self.silence:
            raise httpx2.ReadTimeout("the read operation timed out")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class Script(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Answers each request with the script's next entry, and checks that it is what the entry expects."""

    def __init__(self, entries: list[dict[str, Any]], time: Time) -> None:
        self.entries, self.time = entries, time
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert len(self.requests) < len(self.entries), f"nobody expects {request.method} {request.url}"
        entry = self.entries[len(self.requests)]
        self.requests.append(request)
        self.check(request, entry["expect"])
        silence = request.extensions["timeout"]["read"]
        match entry.get("fail"):
            case "refused":
                raise httpx2.ConnectError("Connection refused")
            case "lost":
                raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
            case "silent":
                self.time.now += silence
                raise httpx2.ReadTimeout("the read operation timed out")
        answer = entry["answer"]
        return httpx2.Response(
            answer["status"], headers=answer.get("headers", {}), stream=Body(self.time, answer, silence)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)

    def check(self, request: httpx2.Request, expected: dict[str, Any]) -> None:
        assert (request.method, request.url.raw_path.decode()) == (expected["method"], expected["path"])
        for name, value in expected.get("headers", {}).items():
            assert request.headers.get(name) == value, name
        if "body" in expected:
            assert json.loads(request.content) == expected["body"]
        if "same_key_as" in expected:
            earlier = self.requests[expected["same_key_as"]].headers["idempotency-key"]
            assert request.headers["idempotency-key"] == earlier
        if request.method == "POST" and expected["path"] == "/v1/generations":
            assert request.headers["idempotency-key"]

    def finish(self) -> None:
        """Checks that all of the script was asked for."""
        assert len(self.requests) == len(self.entries)
