"""A provider of bytes: an HTTP server that sends exactly what a test wrote down, cut where the test says."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import httpx2

from shared.log.events import Annotation, Completed, Delta, Part, PartEnd, Raw, Response, UsageReport
from worker.providers.provider import Provider, ProviderError, ProviderEvent

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}

End = Literal["complete", "abort", "hang", "silent"]
"""`silent` has no beginning either."""


@dataclass
class Call:
    """One request as it arrived, and whether its client is still there."""

    target: str
    headers: httpx2.Headers
    body: Any
    connection: int
    left: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Reply:
    """What every request gets. Each piece is one HTTP chunk, and so reaches the adapter by itself."""

    pieces: Sequence[bytes] = ()
    end: End = "complete"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(EVENT_STREAM))


class Upstream:
    """The server; `calls` are the requests so far."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.answer: Callable[[Any], Reply] | None = None
        """Gives the reply to a body, where it is not the same for all."""
        self.calls: list[Call] = []
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> int:
        """Connections that are open now."""
        return len(self._tasks)

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=2048, ssl=tls)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections += 1
        try:
            await self._serve(reader, writer, self._connections)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = [line.partition(":")[::2] for line in head[1:] if line]
            headers = httpx2.Headers([(name, value.strip()) for name, value in pairs])
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            call = Call(head[0].split()[1], headers, json.loads(body or b"null"), connection)
            self.calls.append(call)
            reply = self.answer(call.body) if self.answer else self.reply
            if reply.end == "silent":
                await reader.read()
                return
            status = (
                f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"
                if reply.status != 529
                else "HTTP/1.1 529 -"
            )
            lines = [
                status,
                *(f"{name}: {value}" for name, value in reply.headers.items()),
                "transfer-encoding: chunked",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            try:
                for piece in filter(None, reply.pieces):
                    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    await writer.drain()
                if reply.end == "hang":
                    await reader.read()
            finally:
                if reply.end == "hang":
                    call.left.set()
            if reply.end != "complete":
                writer.transport.abort()
                return
            writer.write(b"0\r\n\r\n")


@dataclass
class Outcome:
    """What an adapter made of one answer."""

    batches: list[list[ProviderEvent]]
    error: ProviderError | None

    @property
    def events(self) -> list[ProviderEvent]:
        return [event for batch in self.batches for event in batch]

    @property
    def completed(self) -> Completed:
        last = self.events[-1]
        assert isinstance(last, Completed)
        return last

    @property
    def failure(self) -> ProviderError:
        assert self.error is not None
        return self.error

    def parts(self) -> list[dict[str, Any]]:
        """The parts put together, after a check that each starts once, in order, and grows only while open."""
        parts: list[dict[str, Any]] = []
        open_parts: set[int] = set()
        for event in self.events:
            match event:
                case Part():
                    assert event.part == len(parts)
                    open_parts.add(event.part)
                    names = ("item_id", "call_id", "name", "executor", "summary", "media_type", "url")
                    fields = {name: getattr(event, name) for name in names}
                    parts.append({"kind": event.kind, "text": "", **{k: v for k, v in fields.items() if v}})
                case Delta():
                    assert event.part in open_parts
                    assert event.kind == parts[event.part]["kind"]
                    assert event.delta or event.logprobs
                    parts[event.part]["text"] += event.delta
                case Annotation():
                    assert event.part in open_parts
                    parts[event.part].setdefault("annotations", []).append(event.fields)
                case PartEnd():
                    open_parts.remove(event.part)
                    fields = {name: getattr(event, name) for name in ("signature", "encrypted", "provider")}
                    parts[event.part] |= {k: v for k, v in fields.items() if v}
                case Completed():
                    assert not open_parts
                    assert event is self.events[-1]
                case UsageReport() | Response() | Raw():
                    pass
        return parts

    def raw(self) -> list[Any]:
        """What was kept as it came."""
        return [event.data for event in self.events if isinstance(event, Raw)]

    @property
    def response(self) -> Response:
        """What the answer is called, of which there is one event."""
        (response,) = [event for event in self.events if isinstance(event, Response)]
        return response


async def outcome(provider: Provider, request: Any, model: str = "m") -> Outcome:
    """Read one answer to its end, good or bad."""
    batches: list[list[ProviderEvent]] = []
    try:
        async for events in provider.stream(request, model):
            if events:
                batches.append(events)
    except ProviderError as error:
        return Outcome(batches, error)
    return Outcome(batches, None)
