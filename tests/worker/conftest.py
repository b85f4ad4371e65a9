"""A worker on this test's loop, on an embedded Valkey, with the simulator as its provider."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.generations import Generations
from shared.log.entry import Entry
from shared.log.events import TERMINAL_TYPES, AnyEvent, decode
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.request.generation_request import GenerationRequest
from shared.storage.clock import read_server
from shared.storage.connections import connect
from tests.simulator.conftest import started
from worker.main import build
from worker.writing.observer import Observer

LEASE_S = 2.0

MakeWorker = Callable[[], "asyncio.Task[None]"]


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    asyncio.run(server.start())
    asyncio.run(_no_longer_fresh(server))
    yield server
    asyncio.run(server.stop())


async def _no_longer_fresh(server: Valkey) -> None:
    # One that may just have restarted seals no cancel, and is not swept.
    client = connect(server.url, timeout=5)
    async with asyncio.timeout(20):
        while (await read_server(client)).young(Durability(LEASE_S).retaken_ms):
            await asyncio.sleep(0.05)
    await client.aclose()


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    with started("--port", "0") as (_, address):
        yield address


@pytest.fixture
def settings(valkey: Valkey, simulator_url: str) -> Settings:
    return Settings(redis_url=valkey.url, simulator_url=simulator_url, lease=LEASE_S, drain_timeout=0.2, retries=1)


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url, timeout=5)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def queue(redis: Redis, settings: Settings) -> Queue:
    return Queue(redis, settings)


@pytest.fixture
def generations(redis: Redis, queue: Queue, settings: Settings) -> Generations:
    return Generations(redis, queue, settings)


@pytest.fixture
def log(redis: Redis) -> Log:
    return Log(redis)


@asynccontextmanager
async def working(
    settings: Settings, durability: Durability | None = None, observer: Observer | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that runs inside; it is cut off at the end, without a drain."""
    task = asyncio.create_task(build(settings, observer, durability).serve())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Midstream:
    """Accepts generations as the API does, and waits for what the log says of them."""

    def __init__(self, generations: Generations, log: Log, simulator_url: str) -> None:
        self.generations = generations
        self.log = log
        self.simulator_url = simulator_url

    async def ask(self, model: str, owner: str = "local", **fields: Any) -> str:
        """Accept a generation; gives its id."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello."}], **fields}
        request = GenerationRequest.model_validate(body)
        generation_id = await self.generations.new_id(owner, None)
        await self.generations.accept(
            Acceptance(
                id=generation_id,
                owner=owner,
                model=model,
                request=request.model_dump_json(exclude_none=True).encode(),
                on_interrupt=request.on_interrupt,
                ttl_ms=60_000,
                conversation=request.conversation,
            )
        )
        return generation_id

    async def until(self, generation_id: str, done: Callable[[list[Entry]], bool], seconds: float = 20) -> list[Entry]:
        """The log, once the condition holds."""
        async with asyncio.timeout(seconds):
            while not done(entries := await self.log.read(generation_id, count=100_000)):
                await asyncio.sleep(0.01)
        return entries

    async def ended(self, generation_id: str, seconds: float = 20) -> list[AnyEvent]:
        """The events of a generation that has ended."""
        entries = await self.until(generation_id, lambda es: bool(es) and es[-1].type in TERMINAL_TYPES, seconds)
        return [decode(entry.type, entry.data) for entry in entries]

    async def requests(self, key: str, done: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The simulator's journal of the requests with this `key=`, once the condition holds."""
        async with asyncio.timeout(10), httpx2.AsyncClient(timeout=5) as http:
            while True:
                journal = (await http.get(f"{self.simulator_url}/journal", params={"key": key})).json()
                if done(journal):
                    found: list[dict[str, Any]] = journal
                    return found
                await asyncio.sleep(0.02)


def said_something(entries: list[Entry]) -> bool:
    """For `until`: the answer has begun."""
    return any(entry.type == "delta" for entry in entries)


@pytest.fixture
def midstream(generations: Generations, log: Log, simulator_url: str) -> Midstream:
    return Midstream(generations, log, simulator_url)


@pytest.fixture
def key() -> str:
    """Names this test's requests in the simulator's journal."""
    return uuid.uuid4().hex


Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds, at most 10 s."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():
                await asyncio.sleep(0.02)

    return wait
