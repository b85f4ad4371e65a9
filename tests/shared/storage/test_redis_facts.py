"""What a Redis says of itself, as facts; and nothing made up of what it hides."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstream.processes.valkey import Valkey
from shared.storage.connections import connect
from shared.storage.redis_facts import RedisFacts, facts_of, read_facts


def test_what_is_hidden_is_null() -> None:
    assert facts_of(["logs"], None, None) == RedisFacts(serves=["logs"])
    hidden = facts_of(["queue"], {}, None)
    assert {value for name, value in hidden if name != "serves"} == {None}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"redis_version": "7.0.15"}, {"server": "Redis", "version": "7.0.15"}),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, {"server": "Valkey", "version": "9.1.2"}),
        ({"aof_enabled": 0}, {"append_only": False}),
        ({"aof_last_write_status": "err", "aof_last_bgrewrite_status": "ok"}, {"append_failed": True}),
        ({"rdb_last_bgsave_status": "err"}, {"snapshot_failed": True}),
        ({"used_memory": 5, "maxmemory": 0}, {"memory_used": 5, "memory_limit": None}),
        ({"used_memory": 5, "maxmemory": 9}, {"memory_used": 5, "memory_limit": 9}),
    ],
)
def test_each_fact(info: dict[str, object], expected: dict[str, object]) -> None:
    found = facts_of(["logs"], info, {"appendfsync": "always"})
    assert found.append_fsync == "always"
    assert {name: getattr(found, name) for name in expected} == expected


async def test_a_real_server_and_one_whose_user_may_ask_less(tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data", config={"maxmemory": "100mb"}) as server:
        client = connect(server.url, timeout=5)
        found = await read_facts(client, ["logs", "queue"])
        assert (found.server, found.append_only, found.append_fsync) == ("Valkey", True, "everysec")
        assert (found.append_failed, found.rewrite_failed, found.snapshot_failed) == (False, False, False)
        assert (found.eviction, found.memory_limit) == ("noeviction", 100 * 2**20)
        assert 0 < (found.memory_used or 0) < 100 * 2**20
        assert (found.clients, found.clients_refused) == (1, 0)
        await client.execute_command("ACL", "SETUSER", "u", "on", ">x", "+@all", "-config", "~*")  # type: ignore[no-untyped-call]
        less = connect(server.url.replace("unix://", "unix://u:x@"), timeout=5)
        assert (await read_facts(less, ["logs"])).append_fsync is None
        await client.execute_command("ACL", "SETUSER", "u", "-info")  # type: ignore[no-untyped-call]
        assert await read_facts(less, ["logs"]) == RedisFacts(serves=["logs"])
        await less.aclose()
        await client.aclose()
