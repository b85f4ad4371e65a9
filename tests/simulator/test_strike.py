"""What a fault does to an answer: the kind of end that it stands for, in a stream and in a document."""

import asyncio

import pytest

from simulator.answer import compose
from simulator.faults import Fault
from simulator.openai_chat import OpenAIChat
from simulator.script import parse_script
from simulator.strike import strike, strike_document
from simulator.wire import WireWriter
from tests.simulator.in_memory import InMemory, request

EVENTS = b'data: {"a":1}\n\ndata: {"b":2}\n\n'


@pytest.fixture
def writer() -> WireWriter:
    asked = request("lorem?deltas=3&rate=0")
    return OpenAIChat().write(asked, compose(parse_script(asked.model), asked, interleave=False))


async def begun() -> InMemory:
    client = InMemory()
    client.says(b"")
    await client.connection.body()
    await client.connection.start(200, [])
    return client


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("eof", b""),
        ("half", b'data: {"a":1}\n\ndata: {'),
        ("error", None),
        ("badjson", None),
    ],
)
async def test_a_stream_ends_in_its_way(writer: WireWriter, kind: str, said: bytes | None) -> None:
    client = await begun()
    assert await strike(client.connection, writer, Fault(kind), lambda: EVENTS) == "fault"
    assert client.complete
    assert client.body == ({"error": writer.error(), "badjson": writer.broken()}[kind] if said is None else said)
    client.connection.forget()


async def test_of_one_event_alone_half_is_said(writer: WireWriter) -> None:
    client = await begun()
    await strike(client.connection, writer, Fault("half"), lambda: b"data: 123456\n\n")
    assert client.body == b"data: 1"
    client.connection.forget()


async def test_a_reset_is_one(writer: WireWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    client, resets = await begun(), []

    async def reset() -> None:
        resets.append(1)

    monkeypatch.setattr(client.connection, "reset", reset)
    assert await strike(client.connection, writer, Fault("reset"), lambda: EVENTS) == "fault"
    assert (resets, client.complete) == ([1], False)
    client.connection.forget()


@pytest.mark.parametrize(("kind", "alive"), [("stall", False), ("keepalive", True)])
@pytest.mark.parametrize("document", [False, True])
async def test_a_connection_that_is_held_ends_with_its_client(
    writer: WireWriter, kind: str, alive: bool, document: bool
) -> None:
    client = await begun()
    striking = asyncio.create_task(
        (strike_document if document else strike)(client.connection, writer, Fault(kind), lambda: EVENTS, 0.001)
    )
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not striking.done()
    said = b"".join(message["body"] for message in client.sent if "body" in message)
    assert (len(said) > 3) is alive
    assert set(said) <= (set(b"\n") if document else set(writer.keepalive()))
    client.leaves()
    async with asyncio.timeout(5):
        assert await striking == "client_left"
    assert not client.complete


@pytest.mark.parametrize("kind", ["half", "badjson"])
async def test_half_a_document_is_no_document(writer: WireWriter, kind: str) -> None:
    client = InMemory()
    assert await strike_document(client.connection, writer, Fault(kind), lambda: b"123456789") == "fault"
    assert (client.status, client.body, client.complete) == (200, b"1234", True)
    assert client.headers[b"content-type"] == b"application/json"
