"""What each dialect's POST asks, and how its streams are read: the tests of all dialects work with these."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx2

from api.dialects.names import name_of
from tests.api.harness import DEADLINE, Api


class Spoken(NamedTuple):
    """A dialect, as a test asks in it."""

    path: str
    prefix: str
    body: dict[str, Any]
    ending: bytes = b""
    first: int = 1
    """Events that the record alone makes."""

    def named(self, generation_id: str, epoch: int = 1) -> str:
        """The address of a generation."""
        return f"{self.path}/{name_of(self.prefix, generation_id, epoch)}"


CHAT = Spoken(
    "/v1/chat/completions",
    "chatcmpl-",
    {"model": "lorem", "messages": [{"role": "user", "content": "Go."}]},
    b"data: [DONE]\n\n",
)
RESPONSES = Spoken("/v1/responses", "resp_", {"model": "lorem", "input": "Go."}, b"data: [DONE]\n\n", first=2)
MESSAGES = Spoken(
    "/v1/messages",
    "msg_",
    {"model": "lorem", "max_tokens": 100, "messages": [{"role": "user", "content": "Go."}]},
)
SPOKEN = [CHAT, RESPONSES, MESSAGES]


class Asked:
    """A POST that is a stream."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.raw = b""
        self._chunks = response.aiter_raw()
        self.id = response.headers["midstream-generation"]

    async def until(self, text: bytes) -> None:
        """Reads until this has come."""
        while text not in self.raw:
            self.raw += await anext(self._chunks)

    async def rest(self) -> bytes:
        """All, up to the end of the stream."""
        async for chunk in self._chunks:
            self.raw += chunk
        return self.raw


@contextlib.asynccontextmanager
async def asking(api: Api, spoken: Spoken, **headers: str) -> AsyncIterator[Asked]:
    """Asks for the stream; leaving the block cuts the connection."""
    body = spoken.body | {"stream": True}
    async with api.client.stream("POST", spoken.path, json=body, headers=headers, timeout=DEADLINE) as response:
        assert response.status_code == 200, await response.aread()
        yield Asked(response)


async def streamed(api: Api, address: str, after: int | None = None) -> bytes:
    """All that a GET streams after an event."""
    query = "?stream=true" + ("" if after is None else f"&starting_after={after}")
    async with api.client.stream("GET", address + query) as response:
        assert response.status_code == 200, await response.aread()
        return b"".join([chunk async for chunk in response.aiter_raw()])


def events_of(stream: bytes, spoken: Spoken) -> list[bytes]:
    """The numbered events of a stream that has its end: without comments, pings and what follows the last."""
    assert stream.endswith(spoken.ending)
    blocks = stream.removesuffix(spoken.ending).split(b"\n\n")
    assert blocks.pop() == b""
    cleaned = [b"\n".join(line for line in block.split(b"\n") if not line.startswith(b":")) for block in blocks]
    return [block + b"\n\n" for block in cleaned if block and not block.startswith(b"event: ping")]
