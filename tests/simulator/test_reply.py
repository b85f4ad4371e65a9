"""Answers that are one document: with its length, and a refusal in the protocol's own words."""

import json

import pytest

from simulator.anthropic_messages import AnthropicMessages
from simulator.openai_chat import OpenAIChat
from simulator.reply import refuse, reply
from simulator.request import RequestRefusedError
from simulator.wire import WireFormat
from tests.simulator.in_memory import InMemory


async def test_a_document_says_its_length_and_its_kind() -> None:
    client = InMemory()
    await reply(client.connection, 201, b'{"a":"\xc3\xa9"}', [(b"x-own", b"1")])
    assert (client.status, client.body, client.complete) == (201, b'{"a":"\xc3\xa9"}', True)
    assert client.headers == {b"content-type": b"application/json", b"content-length": b"10", b"x-own": b"1"}


@pytest.mark.parametrize(("wire", "place"), [(OpenAIChat(), "code"), (AnthropicMessages(), "type")])
@pytest.mark.parametrize("retry_after", [None, "2.5"])
async def test_a_refusal_says_when_to_come_again(wire: WireFormat, place: str, retry_after: str | None) -> None:
    client = InMemory()
    await refuse(client.connection, wire, RequestRefusedError(429, "Too many.", retry_after=retry_after))
    assert client.status == 429
    assert client.headers.get(b"retry-after") == (retry_after.encode() if retry_after else None)
    error = json.loads(client.body)["error"]
    assert error["message"] == "Too many."
    assert "rate_limit" in error[place]
