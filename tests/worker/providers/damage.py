"""Streams that are damaged in ways that lose nothing, or show that they did: what becomes of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx2

from tests.worker.providers.upstream import Outcome
from worker.providers.answer_reading import AnswerReader
from worker.providers.provider import ProviderError, ProviderEvent
from worker.providers.stream import follow

LOST = frozenset({"incomplete_stream", "connection", "invalid_response"})
"""Codes of honest failures, which are tried again."""

KEEP_ALIVES = (b": ka\n\n", b"data: ping\n\n", b"\n", b"event: keepalive\ndata: 1\n\n")


async def served(make: Callable[[str], AnswerReader], pieces: Sequence[bytes], *, broken: bool = False) -> Outcome:
    """What comes of these pieces without a socket; after them the body ends, or the connection breaks."""

    async def send() -> httpx2.Response:
        async def content() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece
            if broken:
                raise httpx2.ReadError("broken")

        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content())

    batches: list[list[ProviderEvent]] = []
    try:
        async for events in follow("acme", send, make("acme")):
            batches.append(events)
    except ProviderError as error:
        return Outcome(batches, error)
    return Outcome(batches, None)


def summary(got: Outcome) -> dict[str, Any]:
    """What must not change: texts, calls with their arguments as values, and the counts."""
    parts = got.parts()
    texts = {kind: "".join(part["text"] for part in parts if part["kind"] == kind) for kind in ("text", "reasoning")}
    calls = [
        (part["name"], part["executor"], json.loads(part["text"])) for part in parts if part["kind"] == "tool_call"
    ]
    return {**texts, "calls": calls, "usage": got.completed.usage, "finish": got.completed.finish_reason}


def check(got: Outcome, whole: dict[str, Any], *, lossless: bool) -> None:
    """Asserts that an answer is whole, or else failed honestly, which only loss excuses."""
    if got.error is None:
        assert summary(got) == whole
    else:
        assert not lossless, got.error
        assert (got.error.code in LOST, got.error.retryable) == (True, True)
