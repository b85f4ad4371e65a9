"""The backends that log, queue and hub must behave the same on."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from shared.storage.clock import read_clock
from shared.storage.connections import connect

BACKENDS = ["fakeredis", "valkey", pytest.param("redis7", marks=pytest.mark.redis7)]


def _redis7() -> Path:
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("redis-server is not installed (Debian's redis-server 7.0)")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if "v=7.0." not in version:
        pytest.skip(f"redis-server is not 7.0: {version.strip()}")
    return Path(path)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Valkey]]:
    """Real servers, started when first asked for."""
    started: dict[str, Valkey] = {}
    yield started
    for server in started.values():
        asyncio.run(server.stop())


@pytest.fixture(params=BACKENDS)
async def redis(
    request: pytest.FixtureRequest, servers: dict[str, Valkey], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Redis]:
    """An empty Redis of each kind."""
    if request.param == "fakeredis":
        client: Redis = FakeAsyncRedis(version=(7, 0))
    else:
        if request.param not in servers:
            binary = _redis7() if request.param == "redis7" else None
            server = Valkey(tmp_path_factory.mktemp(request.param), binary=binary)
            await server.start()
            servers[request.param] = server
        client = connect(servers[request.param].url, timeout=5)
        while (await read_clock(client))[1] < 1000:  # as one that has just restarted, it would seal no cancel
            await asyncio.sleep(0.05)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def settings() -> Settings:
    return Settings(lease=0.3)


@pytest.fixture
def durability(settings: Settings) -> Durability:
    return Durability(settings.lease)


@pytest.fixture
def queue(redis: Redis, settings: Settings, durability: Durability) -> Queue:
    return Queue(redis, settings, durability)


@pytest.fixture
def generations(redis: Redis, queue: Queue, settings: Settings) -> Generations:
    return Generations(redis, queue, settings)


@pytest.fixture
def log(redis: Redis) -> Log:
    return Log(redis)
