"""Requests and logs, what the dialect makes of them, and what Anthropic's SDK makes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from anthropic import Anthropic

from api.dialects.anthropic_messages.errors import status
from api.dialects.anthropic_messages.events import AnthropicMessagesDialect, MessagesFramer
from api.dialects.anthropic_messages.request import read
from api.dialects.dialect_request import DialectRequest
from api.problems.problem import ProblemError
from api.viewing.dialect import Subject
from shared.config.protocols import Protocol
from shared.log.entry import RawEntry
from shared.log.events import Event, EventId, encode
from shared.log.snapshots import Snapshot
from shared.request.generation_request import GenerationRequest
from shared.sse_decoder import SseDecoder

TAIL = "abcdefghijklmnopqrstuvwxyz234567"
USER = {"role": "user", "content": "Go."}
SUBJECT = Subject(id=f"gen_{TAIL}", created_ms=1_790_000_000_000, model="claude-haiku-4-5", dialect="anthropic")


def reading(protocol: Protocol = "openai-chat", /, **body: Any) -> DialectRequest:
    given = {"model": "m", "max_tokens": 10, "messages": [USER], **body}
    return read(given, provider="up", protocol=protocol)


def native(protocol: Protocol = "openai-chat", /, **body: Any) -> dict[str, Any]:
    """What is asked; it is a request of ours that can be validated."""
    found = reading(protocol, **body).native
    GenerationRequest.model_validate(found)
    return found


def refused(protocol: Protocol = "openai-chat", /, **body: Any) -> str:
    """The place that is named."""
    with pytest.raises(ProblemError) as raised:
        reading(protocol, **body)
    assert (status(raised.value), raised.value.code) == (400, "invalid_request")
    (error,) = raised.value.errors
    assert error.message
    return error.pointer


def entries(events: Iterable[Event]) -> Iterator[RawEntry]:
    """A log of these events."""
    for number, event in enumerate(events):
        yield b"1-%d" % number, (event.type.encode(), encode(event))


def framed(events: Iterable[Event]) -> tuple[bytes, MessagesFramer]:
    """The stream of a log, and its framer: what stands of it, as a later epoch voids all before it."""
    framer = AnthropicMessagesDialect().framer(SUBJECT)
    sent = list(framer.opening())
    for entry in entries(events):
        before = framer.epoch
        frames = list(framer.frames(entry))
        sent = frames if framer.epoch != before else sent + frames
    return b"".join(sent), framer


def sent(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The events of a log's stream, which have the names of their types."""
    stream = SseDecoder().feed(framed(events)[0])
    said = [msgspec.json.decode(one.data) for one in stream]
    assert [one.event for one in stream] == [one["type"] for one in said]
    return said


def folded(events: Iterable[Event]) -> Snapshot:
    """What a log adds up to."""
    snapshot = Snapshot()
    for number, event in enumerate(events):
        snapshot.apply(EventId(1, number), event.type, encode(event))
    return snapshot


@pytest.fixture(scope="session")
def accumulate() -> Iterator[Callable[[bytes], dict[str, Any]]]:
    """The SDK's final message of a stream."""
    stream = b""

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    http = httpx2.Client(transport=httpx2.MockTransport(respond))
    client = Anthropic(api_key="k", base_url="http://messages.invalid", http_client=http, max_retries=0)

    def message(given: bytes) -> dict[str, Any]:
        nonlocal stream
        stream = given
        with client.messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "Go."}]) as read:
            for _ in read:
                pass
            return read.get_final_message().to_dict()

    yield message
    client.close()
