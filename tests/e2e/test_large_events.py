"""Images of 40 and 60 MB, each one event: every viewer gets them once and whole, and no API loses its subscriber."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from midstream_client import Client, Event
from tests.e2e.viewers import ask, blocks, connect, cursor_of, watch
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(150)]

IMAGES = ("A" * 40_000_000, "B" * 60_000_000)


def chunk(part: dict[str, object], reason: str | None = None) -> bytes:
    """One event of Gemini's stream."""
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0} | (
        {"finishReason": reason} if reason else {}
    )
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
    return b"data: %b\r\n\r\n" % json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode()


def image(data: str) -> dict[str, object]:
    return {"inlineData": {"mimeType": "image/png", "data": data}}


class Painter:
    """A provider that says a word, and sends the rest once the test has viewers."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.rest: list[bytes] = []
        self.calls = 0

    async def __aenter__(self) -> Painter:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].split("\r\n")[0]))
        self.calls += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(chunk({"text": "Here"}))
        await self.go_on.wait()
        for piece in self.rest:
            writer.write(piece)
            await writer.drain()
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def painter() -> AsyncIterator[Painter]:
    async with Painter() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(painter: Painter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    # An event of 60 MB holds a worker's loop for most of a second: a lease of one second would be lost by it.
    environment = {"GEMINI_API_KEY": "k", "GEMINI_BASE_URL": painter.url, "MIDSTREAM_LEASE": "5"}
    async with Stack(tmp_path_factory.mktemp("stack"), apis=2, simulator=False, environment=environment) as running:
        yield running


async def connections(stack: Stack, **type: str) -> set[str]:
    """The connections that Redis has, of a type or all; it cuts subscribers by its own default limit."""
    async with Redis.from_url(stack.valkey.url, decode_responses=True) as redis:
        assert "pubsub 33554432 8388608 60" in (await redis.config_get("client-output-buffer-limit")).popitem()[1]
        return {client["id"] for client in await redis.client_list(**type)}


async def live(api: str, generation_id: str, began: asyncio.Event) -> bytes:
    async with connect(api, generation_id, deadline=100) as response:
        while b"event: delta\n" not in response.body:
            await response.more()
        began.set()
        return await response.rest()


def said(events: list[bytes]) -> list[tuple[str, int, str]]:
    """Kind, length and digest of what each delta says, without keeping it."""
    found = []
    for block in events:
        if block.startswith(b"event: delta\n"):
            data = json.loads(block.split(b"\n")[1].removeprefix(b"data: "))
            digest = hashlib.sha256(data["delta"].encode()).hexdigest()
            found.append((data["kind"], len(data["delta"]), digest))
    return found


async def test_images_of_40_and_60_mb_reach_every_viewer_once(
    stack: Stack, http: httpx2.AsyncClient, painter: Painter
) -> None:
    front, other = (api.url for api in stack.apis)
    painter.rest = [chunk(image(IMAGES[0])), chunk({"text": "and"}), chunk(image(IMAGES[1]), "STOP")]
    painter.go_on.clear()
    painter.calls = 0
    generation_id = await ask(http, front, "gemini/image")
    began = [asyncio.Event(), asyncio.Event()]
    viewing = [
        asyncio.create_task(live(api, generation_id, one)) for api, one in zip((front, other), began, strict=True)
    ]
    for one in began:
        await one.wait()
    hearing = await connections(stack, _type="pubsub")
    assert len(hearing) >= 2
    painter.go_on.set()
    first, second = [blocks(await one) for one in viewing]
    assert hearing <= await connections(stack)
    assert painter.calls == 1
    digests = [hashlib.sha256(data.encode()).hexdigest() for data in IMAGES]
    assert [told for told in said(first) if told[0] == "file"] == [
        ("file", len(data), digest) for data, digest in zip(IMAGES, digests, strict=True)
    ]
    assert first[-1].startswith(b"event: completed\n")
    assert [cursor_of(block) for block in first] == [
        f"{cursor_of(first[0]).split('-')[0]}-{n}" for n in range(len(first))
    ]
    assert second == first

    # Who comes later, and who comes back between the two.
    assert blocks(await watch(other, generation_id, deadline=100)) == first
    middle = next(n for n, block in enumerate(first) if len(block) > 1_000_000)
    assert blocks(await watch(front, generation_id, cursor_of(first[middle]), deadline=100)) == first[middle + 1 :]
    snapshot = (await http.get(f"{front}/v1/generations/{generation_id}")).json()
    assert [part["size"] for part in snapshot["parts"] if part["kind"] == "file"] == [30_000_000, 45_000_000]
    events = await asyncio.to_thread(follow, front, generation_id)
    assert [f"{event.id}" for event in events if event.id] == [cursor_of(block) for block in first]
    assert max(len(event.data.get("delta", "")) for event in events) == 60_000_000


def follow(api: str, generation_id: str) -> list[Event]:
    """What the command line's client gets."""
    with Client(api) as client:
        return list(client.follow(generation_id))


async def test_an_event_of_more_than_64_mb_is_an_honest_failure(
    stack: Stack, http: httpx2.AsyncClient, painter: Painter
) -> None:
    whole = chunk(image(""))
    longest = 64_000_000 - len(whole.rstrip())
    painter.go_on.set()
    for size, state in ((longest, "completed"), (longest + 1, "failed")):
        painter.rest = [chunk(image("A" * size)), chunk({"text": "."}, "STOP")]
        generation_id = await ask(http, stack.apis[0].url, "gemini/image")
        body = await watch(stack.apis[0].url, generation_id, deadline=100)
        end = blocks(body)[-1]
        assert end.startswith(f"event: {state}\n".encode()), end
        if state == "failed":
            assert b'"code":"invalid_response"' in end
