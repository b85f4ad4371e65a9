"""Answers that are framed, named or spelled otherwise than their protocol says, over real HTTP, in all protocols."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.openai_responses.responses_stream import Script, output_text
from tests.worker.providers.test_finish_reasons import SPOKEN, Spoken, texts
from tests.worker.providers.upstream import Outcome, Reply, Upstream, outcome

Read = Callable[..., Awaitable[Outcome]]

_events = Script().begin().message(output_text("x")).end().events
ANSWERS = SPOKEN | {
    "openai-responses": Spoken(b"".join(_events[:5]), b"", b"".join(_events[5:]), ()),
}


@pytest.fixture
def read(upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest]) -> Read:
    async def once(
        protocol: Protocol, pieces: Sequence[bytes], media_type: str | None = "text/event-stream"
    ) -> Outcome:
        upstream.reply = Reply(pieces, headers={} if media_type is None else {"content-type": media_type})
        return await outcome(adapter(protocol, upstream.url), ask())

    return once


every_protocol = pytest.mark.parametrize("protocol", list(ANSWERS))


@every_protocol
@pytest.mark.parametrize("media_type", [None, "application/json", "text/plain", "text/html", "application/x-ndjson"])
async def test_a_stream_of_another_media_type(read: Read, protocol: Protocol, media_type: str | None) -> None:
    spoken = ANSWERS[protocol]
    got = await read(protocol, [spoken.said, spoken.finish], media_type)
    assert (got.error, texts(got)) == (None, "x")


@every_protocol
@pytest.mark.parametrize("framed", [b"%s", b"[%s]", b"event: error\ndata: %s\n\n", b"error: %s\n\n", b"data: [%s]\n\n"])
@pytest.mark.parametrize("said", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"error": {"message": "SECRET", "code": 429}}, "rate_limit"),
        ({"error": "SECRET"}, "provider_error"),
        ({"code": 401, "message": "SECRET"}, "authentication"),
        ({"detail": "SECRET"}, "provider_error"),
    ],
)
async def test_an_error_in_any_frame(
    read: Read, protocol: Protocol, framed: bytes, said: bool, error: Any, code: str
) -> None:
    spoken = ANSWERS[protocol]
    got = await read(protocol, [*([spoken.said] if said else []), framed % json.dumps(error).encode()])
    assert (got.failure.code, got.raw()) == (code, [])
    assert "SECRET" not in f"{got.failure} {got.events}"
    assert texts(got) == ("x" if said else "")


@every_protocol
@pytest.mark.parametrize("data", [b'{"reason": "A SECRET"}', b"{}", b"SECRET", b'["SECRET"]', b""])
async def test_an_event_that_is_only_named_an_error(read: Read, protocol: Protocol, data: bytes) -> None:
    got = await read(protocol, [ANSWERS[protocol].said, b"event: error\ndata: " + data + b"\n\n"])
    assert (got.failure.code, got.failure.retryable, got.raw(), texts(got)) == ("provider_error", True, [], "x")
    assert "SECRET" not in f"{got.failure} {got.events}"


@every_protocol
@pytest.mark.parametrize("body", [b'{"status": "ok"}', b"[]", b'["x"]', b"<html>", b"{}"])
async def test_a_document_that_is_no_answer(read: Read, protocol: Protocol, body: bytes) -> None:
    got = await read(protocol, [body], "application/json")
    assert (got.failure.code, got.failure.retryable, got.raw()) == ("invalid_response", False, [])
    assert "check base_url" in got.failure.message


@every_protocol
async def test_half_a_document_is_tried_again(read: Read, protocol: Protocol) -> None:
    got = await read(protocol, [b'{"id": "x", "choices": ['], "application/json")
    assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)


@every_protocol
@pytest.mark.parametrize("word", [b"data:  [DONE]", b'data: "[DONE]"', b"data: DONE", b"data: [done]"])
async def test_the_word_that_ends_in_any_spelling(read: Read, protocol: Protocol, word: bytes) -> None:
    spoken = ANSWERS[protocol]
    got = await read(protocol, [spoken.said, spoken.finish, word + b"\n\n"])
    assert (got.error, texts(got)) == (None, "x")


@every_protocol
@pytest.mark.parametrize("text", ["OPENROUTER PROCESSING", "null", "0", "[]", '""', "undefined", "...", ": {ping}"])
async def test_text_that_is_no_event_is_a_keep_alive(read: Read, protocol: Protocol, text: str) -> None:
    spoken = ANSWERS[protocol]
    word = f"data: {text}\n\n".encode()
    got = await read(protocol, [word, spoken.said, word, spoken.finish, word])
    assert (got.error, texts(got)) == (None, "x")


@every_protocol
@pytest.mark.parametrize("wrap", [lambda data: b"[" + data + b"]", lambda data: json.dumps(data.decode()).encode()])
async def test_an_event_in_a_list_or_in_quotes(read: Read, protocol: Protocol, wrap: Callable[[bytes], bytes]) -> None:
    spoken = ANSWERS[protocol]
    lines = (spoken.said + spoken.finish).splitlines(keepends=True)
    changed = [b"data: " + wrap(line.strip()[6:]) + b"\n" if line.startswith(b"data: {") else line for line in lines]
    got = await read(protocol, changed)
    assert (got.error, texts(got)) == (None, "x")


@every_protocol
async def test_raw_control_characters(read: Read, protocol: Protocol) -> None:
    spoken = ANSWERS[protocol]
    got = await read(protocol, [spoken.said.replace(b'"x"', b'"\t\x01x"'), spoken.finish])
    assert (got.error, texts(got)) == (None, "\t\x01x")


def _joined(data: bytes) -> bytes:
    """The same events without the blank lines between them."""
    return data.replace(b"\r\n", b"\n").replace(b"\n\n", b"\n")


def _json_lines(data: bytes) -> bytes:
    return b"".join(line[6:].strip() + b"\n" for line in data.splitlines() if line.startswith(b"data: "))


def _framed_twice(data: bytes) -> bytes:
    return data.replace(b"data: ", b"data: data: ")


def _with_commas(data: bytes) -> bytes:
    return b"\n".join(line + b"," if line.startswith(b"data: ") else line for line in data.split(b"\n"))


@every_protocol
@pytest.mark.parametrize("change", [_joined, _json_lines, _framed_twice])
@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
async def test_events_that_are_framed_otherwise(
    read: Read, protocol: Protocol, change: Callable[[bytes], bytes], end: bytes
) -> None:
    spoken = ANSWERS[protocol]
    got = await read(protocol, [change(spoken.said + spoken.finish + end)])
    assert (got.error, texts(got)) == (None, "x")


@every_protocol
async def test_events_with_commas_behind_them(read: Read, protocol: Protocol) -> None:
    spoken = ANSWERS[protocol]
    got = await read(protocol, [_with_commas((spoken.said + spoken.finish).replace(b"\r\n", b"\n"))])
    assert (got.error, texts(got)) == (None, "x")


@every_protocol
async def test_half_of_an_event_behind_another_is_no_answer(read: Read, protocol: Protocol) -> None:
    spoken = ANSWERS[protocol]
    cut = _joined(spoken.said) + b'data: {"id": "x", "choi\n\n'
    got = await read(protocol, [cut, spoken.finish])
    assert (got.failure.code, got.failure.retryable) == ("invalid_response", True)
