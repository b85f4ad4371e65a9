"""A connection without a network: what a client sends is said by the test, and what it gets is kept."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from simulator.connection import TRANSPORT, Connection
from simulator.request import Request


class Transport(asyncio.Transport):
    """Keeps what is written; `unsent` and `closing` are the test's to set."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.closing = False
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = self.closing = True


class InMemory:
    """A client of one request."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.sent: list[MutableMapping[str, Any]] = []
        self.connection = Connection({"state": {TRANSPORT: self.transport}}, self.incoming.get, self._send)

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    def says(self, *pieces: bytes) -> None:
        """The request's body, in these pieces."""
        for place, piece in enumerate(pieces):
            more = place + 1 < len(pieces)
            self.incoming.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    def leaves(self) -> None:
        """It closes."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int:
        """Of the answer."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the answer."""
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        """Of the answer, so far; what was put on the transport is not in it."""
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def complete(self) -> bool:
        """Whether the answer has ended as HTTP wants it."""
        return len(self.sent) > 1 and not self.sent[-1]["more_body"]


def request(model: str = "lorem", **fields: Any) -> Request:
    """A request with what a test does not care about filled in."""
    known: dict[str, Any] = {"last_user": "hello", "prompt_tokens": 8, "max_tokens": None, "tools": (), "stream": True}
    return Request(model=model, **(known | fields))
