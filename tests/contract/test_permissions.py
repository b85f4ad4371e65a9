"""Permissions, tried by their names on real servers: nothing is run, and what is missing is named."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.errors import SettingsError
from shared.permissions.commands import servers
from shared.permissions.permission_check import ACL_RULE, MissingPermissions, lacks, require, try_again
from shared.queue.queue import Queue
from shared.storage.connections import connect

DEBIAN_REDIS = shutil.which("redis-server")
PASSWORD = "s3cr3t"


@pytest.fixture(params=["valkey", pytest.param("redis7", marks=pytest.mark.redis7)])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Valkey]:
    if request.param == "redis7" and DEBIAN_REDIS is None:
        pytest.skip("redis-server is not installed")
    binary = Path(str(DEBIAN_REDIS)) if request.param == "redis7" else None
    async with Valkey(tmp_path / "data", binary=binary) as valkey:
        yield valkey


async def permit(redis: Redis, *rules: str) -> None:
    await redis.execute_command("ACL", "SETUSER", "u", "reset", "on", f">{PASSWORD}", *rules)  # type: ignore[no-untyped-call]


def as_user(server: Valkey) -> Settings:
    return Settings(redis_url=server.url.replace("unix://", f"unix://u:{PASSWORD}@"))


async def missing(settings: Settings) -> MissingPermissions:
    (one,) = servers(settings)
    return await lacks(one, timeout=5)


async def test_each_permission_that_is_missing_is_named_and_nothing_is_written(server: Valkey) -> None:
    admin, settings = connect(server.url, timeout=5), as_user(server)
    rule = ACL_RULE.split()
    for less, named in (
        ((), ()),
        (("resetchannels",), ("the channels midstream:*",)),
        (("resetchannels", "&midstream:interrupts"), ("the channels midstream:*",)),
        (("resetkeys", "~midstream:*"), ("the keys arq:*",)),
        (("resetkeys", "~arq:*"), ("the keys midstream:*",)),
        (("resetkeys", "%R~midstream:*", "~arq:*"), ("the keys midstream:*",)),
        (("-publish", "-subscribe"), ("the command PUBLISH", "the command SUBSCRIBE")),
        (("-evalsha",), ("the command EVALSHA",)),
        (("-script|load",), ("the command SCRIPT LOAD",)),
        (("-multi",), ("the command MULTI",)),
        (("-exec",), ("the command EXEC",)),
        (("-discard",), ()),
    ):
        await permit(admin, *rule, *less)
        assert set((await missing(settings)).needed) == set(named), less
        if named:
            with pytest.raises(SettingsError, match=r"^MIDSTREAM_REDIS_URL: .*ACL SETUSER") as refusal:
                await require(settings)
            assert PASSWORD not in str(refusal.value)
        else:
            await require(settings)
    assert await admin.dbsize() == 0
    assert await admin.pubsub_channels() == []
    await admin.aclose()


async def test_what_is_only_a_hint_stops_nothing(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    admin, settings = connect(server.url, timeout=5), as_user(server)
    await permit(admin, *ACL_RULE.split(), "-blpop", "-info", "-lpush")
    found = await missing(settings)
    assert found.needed == ()
    assert len(found.hints) == 3
    with caplog.at_level(logging.WARNING):
        await require(settings)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "BLPOP" in line
    assert "INFO" in line
    await admin.aclose()


async def test_what_nobody_needs_is_not_missed(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """redis-py says its name to each server, and passes over a refusal."""
    admin, settings = connect(server.url, timeout=5), as_user(server)
    await permit(admin, *ACL_RULE.split(), "-client")
    client = connect(settings.redis_url, timeout=5)
    assert await missing(settings) == MissingPermissions()
    assert await client.set("midstream:probe", "1")
    assert "NOPERM" not in caplog.text
    for redis in (admin, client):
        await redis.aclose()


@pytest.mark.parametrize("less", ["-lpush", "-ltrim"])
async def test_a_job_is_queued_without_a_wake_up(server: Valkey, less: str) -> None:
    admin, settings = connect(server.url, timeout=5), as_user(server)
    await permit(admin, *ACL_RULE.split(), less)
    user = connect(settings.redis_url, timeout=5)
    assert await Queue(user, settings).enqueue("a", owner="o")
    assert (await Queue(user, settings).take("w", most=1)).jobs
    await user.aclose()
    await admin.aclose()


async def test_a_database_that_may_not_be_chosen_is_a_permission(server: Valkey) -> None:
    admin = connect(server.url, timeout=5)
    await permit(admin, *ACL_RULE.split(), "-select")
    url = as_user(server).redis_url.replace("db=0", "db=1")
    assert (await missing(Settings(redis_url=url))).needed == ("the command SELECT",)
    await admin.aclose()


async def test_a_server_that_lets_nobody_in_or_is_away_is_no_reason_to_stop(server: Valkey, tmp_path: Path) -> None:
    wrong = Settings(redis_url=server.url.replace("unix://", "unix://nobody:x@"))
    away = Settings(redis_url=f"unix://{tmp_path}/none.sock")
    for settings in (wrong, away):
        with pytest.raises(RedisError):
            await missing(settings)
        assert await require(settings) == list(servers(settings))


async def test_a_server_that_was_away_at_start_is_tried_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Valkey(tmp_path / "data") as valkey:
        settings = as_user(valkey)
        # Its user is not there yet, so it lets nobody in.
        away = await require(settings)
        assert away == list(servers(settings))
        asking = asyncio.create_task(try_again(settings, away, first_retry_s=0.01, longest_retry_s=0.05))
        admin = connect(valkey.url, timeout=5)
        await permit(admin, *ACL_RULE.split(), "-zadd")
        async with asyncio.timeout(10):
            await asking
        (line,) = [record for record in caplog.records if "ACL SETUSER" in record.getMessage()]
        assert line.levelno == logging.ERROR
        assert line.getMessage().startswith("MIDSTREAM_REDIS_URL: its user may not use the command ZADD; permit it")
        assert PASSWORD not in line.getMessage()
        # What answered at start is not asked again.
        await permit(admin, *ACL_RULE.split())
        assert await require(settings) == []
        await admin.aclose()
