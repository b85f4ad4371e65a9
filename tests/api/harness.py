"""The API on a real socket, a client for it, and a producer that writes logs as a worker does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx2

from api.app import create_app
from api.serving.listeners import listen
from api.serving.server import DrainingServer, server
from api.viewing.hub import Hub
from shared.config.settings import Settings
from shared.durability import Durability
from shared.log.events import ORIGIN, Cancelled, Completed, Delta, Event, EventId, Failed, Part, PartEnd, Usage, encode
from shared.log.guarded_log import Batch, Claim, ClaimOutcome, Log, Reply, WriteOutcome
from shared.sse_decoder import SseDecoder
from shared.tracing.tracing import NO_TRACING, Tracing

DEADLINE = 20.0
MODEL = "simulator/lorem"
BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Go."}]}


class Message(NamedTuple):
    """One event as a viewer sees it; `id` is None where the event has none of its own."""

    id: str | None
    event: str
    data: bytes


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that another task or process brings about."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        await asyncio.sleep(0.01)


class Viewing:
    """An open stream."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.raw = b""
        self._messages = self._read()

    async def _read(self) -> AsyncIterator[Message]:
        decoder, last = SseDecoder(), ""
        async for chunk in self.response.aiter_raw():
            self.raw += chunk
            for event in decoder.feed(chunk):
                yield Message(event.id if event.id != last else None, event.event, event.data)
                last = event.id

    async def next(self) -> Message:
        """The next event; fails after the deadline and at the end of the stream."""
        async with asyncio.timeout(DEADLINE):
            return await anext(self._messages)

    async def take(self, count: int) -> list[Message]:
        """The next events."""
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Message]:
        """All events up to the end of the stream."""
        async with asyncio.timeout(DEADLINE):
            return [message async for message in self._messages]


class Hasty(Durability):
    """As in production, but a node that goes does not wait for the disk: that takes seconds, in each test."""

    @property
    def kept_s(self) -> float:
        return 0.0


class Api:
    """One running API process, within the test's own."""

    def __init__(self, settings: Settings, durability: Durability | None = None, tracing: Tracing = NO_TRACING) -> None:
        self.settings = settings
        self.app = create_app(settings, durability=durability or Hasty(settings.lease), tracing=tracing)
        services = self.app.state.services
        self.hub: Hub = services.hub
        self.log: Log = services.log
        self.generations = services.generations
        self.server: DrainingServer = server(self.app, self.hub, settings)
        [self._listener] = listen("127.0.0.1", 0, settings.send_buffer)
        self.port: int = self._listener.getsockname()[1]
        self.client = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            timeout=DEADLINE,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None),
        )

    async def __aenter__(self) -> Api:
        self._serving = asyncio.create_task(self.server.serve(sockets=[self._listener]))
        await until(lambda: self.server.started, "the API to start")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        self.server.should_exit = True
        await self._serving

    async def post(self, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> str:
        """A new generation's id."""
        response = await self.client.post("/v1/generations", json=body or BODY, headers=headers)
        assert response.status_code == 202, response.text
        generation_id: str = response.json()["id"]
        return generation_id

    @contextlib.asynccontextmanager
    async def view(self, generation_id: str, cursor: str | None = None, **headers: str) -> AsyncIterator[Viewing]:
        """Follow a generation; leaving the block cuts the connection."""
        if cursor is not None:
            headers["Last-Event-ID"] = cursor
        path = f"/v1/generations/{generation_id}/events"
        async with self.client.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200, response.status_code
            yield Viewing(response)

    async def events(self, generation_id: str, cursor: str | None = None) -> list[Message]:
        """One connection's events, to the end of the stream."""
        async with self.view(generation_id, cursor) as viewing:
            return await viewing.rest()

    async def status(self, generation_id: str, cursor: str | None = None) -> int:
        """What a (re)connect comes to."""
        headers = {"Last-Event-ID": cursor} if cursor is not None else {}
        path = f"/v1/generations/{generation_id}/events"
        async with self.client.stream("GET", path, headers=headers) as response:
            return response.status_code


class Producer:
    """One attempt on a log, through the same guarded writes that a worker uses."""

    def __init__(self, log: Log, generation_id: str, claim: Claim) -> None:
        self.log, self.generation_id, self.claim = log, generation_id, claim
        self.last = EventId(claim.token, 0)
        self.seq = 1
        self.written: list[tuple[str, bytes]] = []

    @classmethod
    async def start(cls, log: Log, generation_id: str) -> Producer:
        """Claim the log."""
        claim = await log.claim(generation_id, model="lorem", provider="simulator", ttl_ms=60_000)
        assert claim.start is ClaimOutcome.CLAIMED
        return cls(log, generation_id, claim)

    async def write(self, *events: Event) -> Reply:
        """One batch."""
        encoded = [(event.type, encode(event)) for event in events]
        batch = Batch(self.generation_id, self.claim.token, self.claim.number, self.last, self.seq, encoded)
        reply = await self.log.append(batch)
        if reply.outcome is WriteOutcome.OK:
            self.last, self.seq = batch.last, self.seq + len(encoded)
            self.written += encoded
        return reply

    async def say(self, *texts: str) -> None:
        """Deltas of the text part, in one batch."""
        events: list[Event] = [Delta(part=0, kind="text", delta=text) for text in texts]
        if self.seq == 1:
            events.insert(0, Part(part=0, kind="text"))
        assert (await self.write(*events)).outcome is WriteOutcome.OK

    async def complete(self) -> None:
        """The end."""
        end = Completed(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=7))
        assert (await self.write(PartEnd(part=0), end)).outcome is WriteOutcome.OK

    async def fail(self) -> None:
        """An end, too."""
        end = Failed(code="provider_error", message="The provider failed.", retryable=True)
        assert (await self.write(end)).outcome is WriteOutcome.OK

    async def cancel(self) -> None:
        """The end that was asked for."""
        assert (await self.write(Cancelled())).outcome is WriteOutcome.OK


async def whole(log: Log, generation_id: str) -> list[Message]:
    """A log's events as a viewer must see them."""
    messages: list[Message] = []
    cursor = ORIGIN
    while page := await log.read(generation_id, cursor):
        messages += [Message(str(entry.id), entry.type, entry.data) for entry in page]
        cursor = page[-1].id
    return messages


MakeApi = Callable[..., Awaitable[Api]]
