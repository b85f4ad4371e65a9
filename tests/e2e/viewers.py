"""Viewers made of a socket: what comes over it is compared byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2

_ASIDE = re.compile(b":|retry: ")
"""Lines that are of no event."""
DEADLINE = 40.0


class Response:
    """The body of one response as it comes, its transfer coding undone (RFC 9112, section 7.1)."""

    def __init__(self, status: int, reader: asyncio.StreamReader) -> None:
        self.status = status
        self.body = bytearray()
        self._reader = reader

    async def more(self) -> bool:
        """Read one chunk; False at the end."""
        size = int(await self._reader.readline(), 16)
        self.body += (await self._reader.readexactly(size + 2))[:-2]
        return size > 0

    async def until(self, size: int) -> None:
        """Read at least this many bytes; raises AssertionError where the body ends before."""
        while len(self.body) < size:
            assert await self.more(), f"the body ended after {len(self.body)} bytes"

    async def rest(self) -> bytes:
        """Read to the end; the whole body."""
        while await self.more():
            pass
        return bytes(self.body)


@contextlib.asynccontextmanager
async def connect(
    api: str, generation_id: str, cursor: str = "", *, deadline: float = DEADLINE, of: str = "generations"
) -> AsyncIterator[Response]:
    """One connection to a generation's events; leaving the block cuts it. Fails after `deadline` seconds.

    With `of` it is to those of something else that has events.
    """
    url = httpx2.URL(api)
    async with asyncio.timeout(deadline):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            resume = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
            writer.write(f"GET /v1/{of}/{generation_id}/events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            yield Response(int(head.split()[1]), reader)
        finally:
            writer.transport.abort()


async def watch(api: str, generation_id: str, cursor: str = "", *, deadline: float = DEADLINE) -> bytes:
    """The body of one connection, to its end."""
    async with connect(api, generation_id, cursor, deadline=deadline) as response:
        assert response.status == 200
        return await response.rest()


def blocks(body: bytes | bytearray) -> list[bytes]:
    """The complete blocks that have an id, each with its blank line and without heartbeats and `retry`.

    What a cut left half is dropped.
    """
    *complete, _ = bytes(body).split(b"\n\n")
    events = [b"\n".join(line for line in block.split(b"\n") if not _ASIDE.match(line)) for block in complete]
    return [event + b"\n\n" for event in events if b"\nid: " in event]


def cursor_of(block: bytes) -> str:
    """The id of a block."""
    return block.rpartition(b"\nid: ")[2].strip().decode()


def parse(body: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, event and data of each block, which must be three lines in this order."""
    events = []
    for block in blocks(body):
        names, values = zip(*(line.partition(": ")[::2] for line in block.decode().split("\n")), strict=True)
        assert names == ("event", "data", "id", "", ""), block
        events.append((values[2], values[0], json.loads(values[1])))
    return events


def text_of(body: bytes, kind: str = "text") -> str:
    """What the deltas of one kind say, without what another attempt has voided: a busy worker may lose its lease."""
    said: list[str] = []
    for _, event, data in parse(body):
        if event == "attempt" and not data["continues"]:
            said.clear()
        elif event == "delta" and data["kind"] == kind:
            said.append(data["delta"])
    return "".join(said)


async def ask(http: httpx2.AsyncClient, api: str, model: str, content: str = "Go.", **fields: Any) -> str:
    """Start a generation; its id."""
    body = {"model": model, "messages": [{"role": "user", "content": content}]} | fields
    response = await http.post(f"{api}/v1/generations", json=body)
    assert response.status_code == 202, response.text
    generation_id: str = response.json()["id"]
    return generation_id
