"""A 202 with `durability = disk`, on a server whose way to sync changes."""

from __future__ import annotations

import pytest
import redis.asyncio

from api.app import run
from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.errors import SettingsError
from tests.api.harness import BODY, MakeApi


async def test_a_post_is_answered_503_until_redis_syncs_each_write(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url, durability="disk")
    key = {"Idempotency-Key": "k"}
    first = await api.post(headers=key)
    async with redis.asyncio.Redis.from_url(own_valkey.url) as client:
        await client.config_set("appendfsync", "everysec")
        for accept in ("application/json", "text/event-stream"):
            refused = await api.client.post("/v1/generations", json=BODY, headers=key | {"Accept": accept})
            assert (refused.status_code, refused.json()["code"]) == (503, "not_on_disk")
            assert refused.headers["Retry-After"] == "1"
        await client.config_set("appendfsync", "always")
    assert await api.post(headers=key) == first


async def test_by_default_it_does_not_matter_how_redis_syncs(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url)
    async with redis.asyncio.Redis.from_url(own_valkey.url) as client:
        await client.config_set("appendfsync", "everysec")
        await api.post()


def test_an_api_does_not_start_on_a_redis_that_cannot(valkey_url: str) -> None:
    """The tests' own server syncs each second."""
    with pytest.raises(SettingsError, match="MIDSTREAM_DURABILITY=disk: Redis has appendfsync everysec"):
        run(Settings(redis_url=valkey_url, durability="disk"))
