"""One answer on its way: the deltas at their pace, few at a time or many, and the journal's entry beside it."""

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from simulator.answer import compose
from simulator.faults import parse_fault
from simulator.journal import Journal, JournalEntry
from simulator.openai_chat import OpenAIChat
from simulator.pace import Pace
from simulator.script import parse_script
from simulator.stream import Stream
from tests.simulator.in_memory import InMemory, request
from tests.simulator.test_server import PATHS, body


async def test_modest_rates_send_one_delta_a_write(simulator: str) -> None:
    host, port = simulator.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    content = json.dumps(body("clock?deltas=8&rate=40")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await reader.readuntil(b"\r\n\r\n")
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    writer.close()
    await writer.wait_closed()
    counts = [chunk.count(b'"content":"@') for chunk in chunks]
    assert sum(counts) == 8
    # A machine busy elsewhere may join two; most come alone.
    assert counts.count(1) >= 5


@pytest.mark.parametrize("path", PATHS)
async def test_rate_zero_writes_many_deltas_at_once(http: httpx2.AsyncClient, path: str) -> None:
    chunks = 0
    seen = b""
    async with http.stream("POST", path, json=body("clock?deltas=6400&rate=0")) as answer:
        async for data in answer.aiter_raw():
            chunks += 1
            seen += data
    assert len(re.findall(rb'"@\d+;"', seen)) == 6400
    assert chunks < 1600


def streaming(
    client: InMemory, model: str, *, fault: str | None = None, stream: bool = True, **options: Any
) -> tuple[Stream, JournalEntry]:
    script, asked = parse_script(model), request(model, stream=stream)
    answer = compose(script, asked, interleave=False)
    entry = Journal().open("openai_chat", model, "")
    writer = OpenAIChat().write(asked, answer)
    pace = Pace(script.rate, script.ttft)
    struck = (fault and parse_fault(fault)) or None
    return Stream(client.connection, writer, answer, pace, struck, entry, **options), entry


async def test_a_whole_answer_has_its_end_and_its_entry() -> None:
    client = InMemory()
    stream, entry = streaming(client, "lorem?deltas=5&rate=0")
    assert await stream.events() == "complete"
    assert client.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert client.complete
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert entry.deltas == 5
    assert entry.first_write_us is not None


@pytest.mark.parametrize(("fault", "deltas"), [("eof@0", 0), ("eof@3", 3), ("eof@last", 4), ("eof@9", 5)])
async def test_a_fault_strikes_after_so_many(fault: str, deltas: int) -> None:
    client = InMemory()
    stream, entry = streaming(client, "lorem?deltas=5&rate=0", fault=fault)
    assert await stream.events() == "fault"
    assert entry.deltas == deltas
    assert (entry.first_write_us is None) is (deltas == 0)
    assert b"[DONE]" not in client.body
    assert client.complete


async def test_half_an_event_is_that_of_the_delta_that_was_next() -> None:
    client = InMemory()
    stream, _ = streaming(client, "clock?deltas=5&rate=0", fault="half@2")
    assert await stream.events() == "fault"
    *whole, half = client.body.split(b"\n\n")
    assert sum(b'"content":"@' in event for event in whole) == 2
    assert half
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        json.loads(half.removeprefix(b"data: "))


async def test_who_leaves_ends_it() -> None:
    client = InMemory()
    client.says(b"")
    await client.connection.body()
    stream, entry = streaming(client, "lorem?deltas=5&rate=0.001")
    going = asyncio.create_task(stream.events())
    while not entry.deltas:
        await asyncio.sleep(0)
    client.leaves()
    async with asyncio.timeout(5):
        assert await going == "client_left"
    assert entry.deltas == 1


async def test_a_document_is_whole_and_counts_all() -> None:
    client = InMemory()
    stream, entry = streaming(client, "lorem?deltas=5&rate=0", stream=False)
    assert await stream.document() == "complete"
    assert int(client.headers[b"content-length"]) == len(client.body)
    assert json.loads(client.body)["object"] == "chat.completion"
    assert entry.deltas == 5


async def test_a_document_of_nothing_is_one_too() -> None:
    client = InMemory()
    stream, entry = streaming(client, "lorem?deltas=0&rate=0", stream=False)
    assert await stream.document() == "complete"
    assert entry.deltas == 0


@pytest.mark.parametrize(("type_", "expected"), [([], None), ([(b"content-type", b"text/plain")], b"text/plain")])
@pytest.mark.parametrize("stream", [True, False])
async def test_it_says_what_it_is_as_it_was_told(
    type_: list[tuple[bytes, bytes]], expected: bytes | None, stream: bool
) -> None:
    client = InMemory()
    odd, _ = streaming(client, "lorem?deltas=5&rate=0", stream=stream, content_type=type_)
    assert await (odd.events() if stream else odd.document()) == "complete"
    assert client.headers.get(b"content-type") == expected
    assert b"x-request-id" in client.headers


async def test_what_follows_a_whole_answer_is_in_place_of_its_end() -> None:
    client = InMemory()
    client.says(b"")
    await client.connection.body()
    stream, entry = streaming(client, "lorem?deltas=5&rate=0", afterwards=parse_fault("keepalive"))
    going = asyncio.create_task(stream.events())
    async with asyncio.timeout(5):
        while not client.body.endswith(b": keep-alive\n\n"):
            await asyncio.sleep(0)
        assert b"data: [DONE]\n\n: keep-alive" in client.body
        assert not client.complete
        client.leaves()
        assert await going == "client_left"
    assert entry.deltas == 5
