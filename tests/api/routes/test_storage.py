"""Redis has no room: a POST says so, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, NoPermissionError

from api.app import create_app
from api.problems.problem import unavailable
from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.permissions import permission_check
from shared.permissions.commands import servers
from tests.api.harness import BODY, Api, MakeApi

REQUESTS = (BODY, BODY | {"deadline": 60})


async def held(redis: Redis) -> dict[bytes, int]:
    """Every key of ours, and how much the indexes have; not the lock and the probe, which come and go."""
    keys = [
        key for key in await redis.keys("midstream:*") if not key.startswith((b"midstream:alone", b"midstream:probe"))
    ]
    indexes = {b"midstream:pending", b"midstream:owner:local", b"midstream:deadlines"}
    return {key: await redis.zcard(key) if key in indexes else 1 for key in keys}


async def refused(api: Api, redis: Redis, code: str = "storage_full") -> None:
    before = await held(redis)
    for body in REQUESTS:
        response = await api.client.post("/v1/generations", json=body)
        assert (response.status_code, response.json()["code"]) == (503, code)
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) > 0
        assert "maxmemory" not in response.text
    assert await held(redis) == before


async def test_no_memory(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url)
    redis = api.log.redis
    whole = await api.post()
    await redis.config_set("maxmemory", "1")
    await refused(api, redis)
    page = (await api.client.get("/v1/generations")).json()["data"]
    assert [entry["id"] for entry in page] == [whole]
    await redis.config_set("maxmemory", "0")
    assert await api.post()


async def test_no_disk(make_api: MakeApi, tmp_path: Path) -> None:
    # A snapshot cannot take the place of a folder: for Redis, its disk has failed.
    async with Valkey(tmp_path / "data", config={"save": "3600 1", "dbfilename": "taken.rdb"}) as server:
        api = await make_api(server.url)
        redis = api.log.redis
        await api.post()
        (tmp_path / "data/taken.rdb").mkdir()
        await redis.bgsave()
        async with asyncio.timeout(10):
            while (await redis.info("persistence"))["rdb_last_bgsave_status"] == "ok":
                await asyncio.sleep(0.05)
        await refused(api, redis)


@pytest.mark.parametrize("body", REQUESTS)
async def test_what_was_accepted_with_its_key_before_stays(
    body: dict[str, object], make_api: MakeApi, own_valkey: Valkey
) -> None:
    api = await make_api(own_valkey.url)
    key = {"Idempotency-Key": "k"}
    first = await api.post(body, headers=key)
    await api.log.redis.config_set("maxmemory", "1")
    again = await api.client.post("/v1/generations", json=body, headers=key)
    pending = await api.generations.queue.indexes.pending(count=10, before_ms=10**15)
    assert [entry.id for entry in pending] == [first]
    assert again.status_code in (202, 503)


async def test_a_redis_that_refuses_says_so_in_its_words(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url)
    redis = api.log.redis
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
    try:
        response = await api.client.post("/v1/generations", json=BODY)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert "Redis refuses this now (READONLY " in response.json()["detail"]
    finally:
        await redis.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
    # What it says of its users is not for callers.
    assert "somebody" not in unavailable(NoPermissionError("User somebody has no permissions")).detail
    assert "(NOPERM)" in unavailable(NoPermissionError("User somebody has no permissions")).detail
    assert "does not answer" in unavailable(ConnectionError("cut")).detail


async def test_a_redis_that_was_away_at_the_start_is_asked_for_permissions_when_it_is_back(
    own_valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with Redis.from_url(own_valkey.url) as redis:
        rules = ("on", ">x", *permission_check.ACL_RULE.split(), "-zadd")
        await redis.execute_command("ACL", "SETUSER", "u", *rules)
    settings = Settings(redis_url=own_valkey.url.replace("unix://", "unix://u:x@"))
    app = create_app(settings, list(servers(settings)))
    async with app.router.lifespan_context(app), asyncio.timeout(10):
        while not any("the command ZADD; permit it" in record.getMessage() for record in caplog.records):
            await asyncio.sleep(0.01)
    assert not any("permissions ended" in record.getMessage() for record in caplog.records)
