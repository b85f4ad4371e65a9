"""One Redis, looked at: all findings of one that is well, and the one of each that is of no use."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from midstream.checks import redis_check
from midstream.checks.finding import Finding
from midstream.checks.redis_check import CheckedRedis, cannot_promise, examine
from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.permissions.commands import servers
from tests.midstream.commands.test_doctor import SECRET


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    async with Valkey(tmp_path / "data") as server:
        yield server


def place(url: str, setting: str | None = "MIDSTREAM_REDIS_URL") -> CheckedRedis:
    (server,) = servers(Settings(redis_url=url))
    return CheckedRedis("Redis", server, setting, 24)


def only(findings: Any) -> Finding:
    (finding,) = findings
    assert isinstance(finding, Finding)
    return finding


async def test_one_that_is_well_has_a_line_for_each_thing(valkey: Valkey) -> None:
    findings = list(examine(place(valkey.url)))
    assert [finding.subject.removeprefix("Redis").removeprefix(", ") for finding in findings] == [
        "", "persistence", "eviction", "memory", "connections", "clock", "writes",
    ]  # fmt: skip
    assert {finding.level for finding in findings} == {"ok"}


@pytest.mark.parametrize(
    ("setting", "advice"),
    [("MIDSTREAM_QUEUE_URL", "start it, or correct MIDSTREAM_QUEUE_URL"), (None, "start it with `")],
)
def test_one_that_does_not_answer_is_one_line_with_its_address(
    tmp_path: Path, setting: str | None, advice: str
) -> None:
    address = f"{tmp_path}/none.sock"
    found = only(examine(place(f"unix://user:{SECRET}@{address}", setting)))
    assert (found.level, found.subject) == ("fail", "Redis")
    assert f"no answer at unix://{address}" in found.state
    assert found.advice.startswith(advice)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("setting", "where"), [("MIDSTREAM_REDIS_URL", "in MIDSTREAM_REDIS_URL"), (None, "in its configuration")]
)
async def test_one_that_lets_us_not_in_is_one_line(valkey: Valkey, setting: str | None, where: str) -> None:
    url = valkey.url.replace("unix://", f"unix://nobody:{SECRET}@")
    found = only(examine(place(url, setting)))
    assert (found.level, found.state) == ("fail", "refuses our credentials")
    assert found.advice.endswith(where)
    assert SECRET not in repr(found)


async def test_one_that_is_away_within_time_is_said_to_say_nothing(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as server, redis.asyncio.Redis.from_url(server.url) as client:
        await client.client_pause(5_000)
        found = only(examine(place(server.url), timeout_s=0.05))
    assert found.level == "fail"
    assert "no answer" in found.state


async def test_a_clock_that_is_off_is_a_warning(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr("midstream.checks.redis_check.time.time", lambda: now() + 7)
    found = next(one for one in examine(place(valkey.url)) if one.subject == "Redis, clock")
    assert found.level == "warn"
    assert found.state.startswith("7")
    assert found.advice == "run NTP on both machines"


@pytest.mark.parametrize(
    ("directives", "state"),
    [
        ({"appendfsync": "always"}, None),
        ({"appendfsync": "everysec"}, "has appendfsync everysec"),
        ({"appendonly": "no"}, "has no append-only file"),
    ],
)
async def test_only_a_file_that_is_synced_with_each_write_will_do(
    tmp_path: Path, directives: dict[str, str], state: str | None
) -> None:
    async with Valkey(tmp_path / "data", config=directives) as server:
        found = cannot_promise(server.url)
    assert (found and found[0]) == state
    assert found is None or found[1]


async def test_one_that_hides_how_it_syncs_is_not_believed(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data", config={"appendfsync": "always"}) as server:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.acl_setuser("default", enabled=True, nopass=True, commands=["-config"])
        assert cannot_promise(server.url) is not None


def test_one_that_does_not_answer_is_told_of_elsewhere(tmp_path: Path) -> None:
    assert cannot_promise(f"unix://{tmp_path}/none.sock") is None


def test_one_that_takes_no_more_is_a_failure_in_its_words() -> None:
    found = redis_check._no_use(place("redis://127.0.0.1"), redis.ConnectionError("max number of clients reached"))
    assert (found.subject, found.level) == ("Redis, connections", "fail")
    assert found.state == "max number of clients reached"
