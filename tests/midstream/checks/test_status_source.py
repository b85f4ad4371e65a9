"""Where the status is read: from a Redis with nobody beside it, and from an API node."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis.asyncio

from midstream.checks.status_source import ApiStatus, RedisStatus
from midstream.errors import DeniedError, UnreachableError
from midstream.processes.valkey import Valkey
from midstream_client import RetryBudget
from shared.config.settings import Settings
from shared.storage.keys import QUEUE_KEY
from tests.midstream.checks.test_server_check import STATUS
from tests.midstream.scripted_api import Answer, ScriptedApi


async def test_from_redis_as_often_as_it_is_asked(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as server, redis.asyncio.Redis.from_url(server.url) as client:
        settings = Settings(redis_url=server.url)
        with RedisStatus(settings) as source:
            assert source.read().queue.waiting == 0
            await client.zadd(QUEUE_KEY, {"gen_x": 1})
            found = source.read()
    assert found.queue.waiting == 1
    assert [facts.serves for facts in found.redis] == [["logs", "queue"]]


async def test_logs_and_queue_apart(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "logs") as logs, Valkey(tmp_path / "queue", config={"maxmemory": "50mb"}) as queue:
        with RedisStatus(Settings(redis_url=logs.url, queue_url=queue.url)) as source:
            found = source.read()
    assert [(facts.serves, facts.memory_limit) for facts in found.redis] == [
        (["logs"], None),
        (["queue"], 50 * 2**20),
    ]


async def test_a_redis_that_is_away_or_frozen_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        RedisStatus(Settings(redis_url=f"unix://u:secret@{tmp_path}/none.sock")) as source,
        pytest.raises(UnreachableError) as away,
    ):
        source.read()
    assert away.value.retryable
    assert "secret" not in str(away.value)
    monkeypatch.setattr("midstream.checks.status_source.READ_TIMEOUT_S", 0.2)
    async with Valkey(tmp_path / "data") as server, redis.asyncio.Redis.from_url(server.url) as client:
        with RedisStatus(Settings(redis_url=server.url)) as source:
            source.read()
            await client.client_pause(120_000)  # longer than a test may take
            with pytest.raises(UnreachableError):
                source.read()
    assert capsys.readouterr() == ("", "")


def test_from_an_api_node(scripted_api: ScriptedApi) -> None:
    scripted_api.answers += [Answer(200, STATUS | {"more": 1}), Answer(403, {"title": "No"}), Answer(200, {"queue": 1})]
    with ApiStatus(scripted_api.url, "k", lambda: RetryBudget(total=0.0)) as source:
        assert source.read().workers.places == 20
        with pytest.raises(DeniedError):
            source.read()
        with pytest.raises(UnreachableError, match="not a Midstream API"):
            source.read()
    assert scripted_api.received[0].path == "/v1/status"
    assert scripted_api.received[0].headers["authorization"] == "Bearer k"
