"""Whether a Redis can say what is on its disk, where `durability` asks for that: what is wrong, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis.asyncio

from midstream.checks.disk import wrong_with
from midstream.processes.valkey import Valkey


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
        found = wrong_with(server.url, 5.0)
    assert (found and found[0]) == state
    assert found is None or found[1]


async def test_one_that_hides_how_it_syncs_is_not_believed(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data", config={"appendfsync": "always"}) as server:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.acl_setuser("default", enabled=True, nopass=True, commands=["-config"])
        assert wrong_with(server.url, 5.0) is not None


def test_one_that_does_not_answer_is_told_of_elsewhere(tmp_path: Path) -> None:
    assert wrong_with(f"unix://{tmp_path}/none.sock", 0.1) is None
