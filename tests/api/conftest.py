"""A real Valkey, and the API on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from midstream.processes.valkey import Valkey
from shared.config.settings import load
from shared.durability import Durability
from shared.storage.clock import read_server
from tests.api.harness import Api, MakeApi, Producer


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests that leave it alive."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    asyncio.run(server.start())
    yield server.url
    asyncio.run(server.stop())


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """That server, empty."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
    return valkey_url


@pytest.fixture
async def own_valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A server to kill. Every write is synced, so that what it has after a crash is known."""
    async with Valkey(tmp_path / "valkey", config={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
async def make_api() -> AsyncIterator[MakeApi]:
    """Start an API with some settings; ended after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(redis_url: str, *, times: Durability | None = None, **settings: Any) -> Api:
            given: dict[str, Any] = {"simulator_url": "http://127.0.0.1:9", "redis_timeout": 2.0} | settings
            return await stack.enter_async_context(Api(load(redis_url=redis_url, **given), times))

        yield make


@pytest.fixture
async def api(make_api: MakeApi, redis_url: str) -> Api:
    """An API with the defaults."""
    return await make_api(redis_url)


@pytest.fixture
async def seasoned(api: Api) -> Api:
    """That API, once its Redis has been up for a lease: before that, nobody's cancel is sealed."""
    async with asyncio.timeout(30):
        while (await read_server(api.generations.redis)).young(api.generations.durability.lease_ms):
            await asyncio.sleep(0.05)
    return api


@pytest.fixture
async def running(api: Api) -> Producer:
    """A generation that a worker has begun."""
    return await Producer.start(api.log, await api.post())
