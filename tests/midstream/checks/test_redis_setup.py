"""How a Redis is set up: what is said of its version, its file, its memory and its connections, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.checks import redis_setup
from midstream.checks.finding import Finding
from shared.storage.redis_facts import RedisFacts, facts_of


@pytest.mark.parametrize(
    ("version", "level"), [("6.2.14", "fail"), ("7.0.15", "ok"), ("8.2.1", "ok"), ("10.0.0", "ok")]
)
def test_knows_versions_that_are_too_old(version: str, level: str) -> None:
    assert redis_setup.version("Redis", facts_of([], {"redis_version": version}, None)).level == level


def test_valkey_is_new_enough_whatever_version_of_redis_it_claims() -> None:
    found = redis_setup.version("Redis", facts_of([], {"redis_version": "6.0.0", "valkey_version": "9.1.0"}, None))
    assert (found.level, found.state) == ("ok", "Valkey 9.1.0")


@pytest.mark.parametrize(
    ("info", "directives", "level", "state"),
    [
        ({"aof_enabled": 0}, {"appendfsync": "everysec"}, "fail", "off (appendonly no)"),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, {}, "fail", "the last write failed"),
        ({"aof_enabled": 1, "aof_last_write_status": "ok"}, {}, "warn", "on, how often is unknown"),
        ({"aof_enabled": 1}, {"appendfsync": "no"}, "fail", "on, appendfsync no"),
        ({"aof_enabled": 1}, {"appendfsync": "everysec"}, "ok", "on, appendfsync everysec"),
        ({"aof_enabled": 1}, {"appendfsync": "always"}, "ok", "on, appendfsync always"),
        (
            {"aof_enabled": 1, "rdb_last_bgsave_status": "err"},
            {"appendfsync": "everysec"},
            "warn",
            "on, appendfsync everysec, but the last snapshot (RDB) failed",
        ),
        (
            {"aof_enabled": 1, "aof_last_bgrewrite_status": "err"},
            {"appendfsync": "everysec"},
            "warn",
            "on, appendfsync everysec, but the last rewrite of the file failed",
        ),
    ],
)
def test_persistence(info: dict[str, Any], directives: dict[str, str], level: str, state: str) -> None:
    found = redis_setup.persistence("Redis", facts_of([], info, directives))
    assert (found.subject, found.level, found.state) == ("Redis, persistence", level, state)
    assert bool(found.advice) is (level != "ok")


@pytest.mark.parametrize(
    ("policy", "limit", "level"),
    [
        ("noeviction", 0, "ok"),
        ("noeviction", 100, "ok"),
        # Without a limit it deletes nothing yet, and will once it has one.
        ("allkeys-lru", 0, "fail"),
        ("allkeys-lru", 100, "fail"),
        ("volatile-ttl", 100, "fail"),
    ],
)
def test_eviction(policy: str, limit: int, level: str) -> None:
    found = redis_setup.policy("Redis", RedisFacts(serves=[], eviction=policy, memory_limit=limit or None))
    assert (found.subject, found.level, found.state) == ("Redis, eviction", level, policy)


def connections(**info: int) -> list[Finding]:
    return list(redis_setup.connections("Redis", facts_of([], {"connected_clients": 5, **info}, None), 24))


def test_connections() -> None:
    assert connections() == [], "it does not say how many it takes"
    assert [(f.level, f.state) for f in connections(maxclients=24)] == [("ok", "5 of 24 (maxclients)")]
    (few,) = connections(maxclients=23, rejected_connections=9)
    assert (few.level, few.state) == ("fail", "5 of 23 (maxclients), and one API with one worker may open 24")
    (refused,) = connections(maxclients=100, rejected_connections=9)
    assert (refused.level, refused.state.rpartition(", ")[2]) == ("warn", "and 9 were refused since it started")
    (full,) = connections(maxclients=100, connected_clients=100)
    assert full.level == "warn"
    for found in (few, refused, full):
        assert found.advice == "raise its `maxclients`, or lower MIDSTREAM_REDIS_CONNECTIONS"


@pytest.mark.parametrize(
    ("used", "limit", "level", "state"),
    [
        (12_340_000, None, "ok", "12.3 MB, no limit (maxmemory)"),
        (799, 1000, "ok", "799 bytes of 1 kB (maxmemory), 80%"),
        (800_000, 1_000_000, "warn", "800 kB of 1.0 MB (maxmemory), 80%"),
        (9_000_000_000, 10_000_000_000, "fail", "9.00 GB of 10.00 GB (maxmemory), 90%"),
    ],
)
def test_memory(used: int, limit: int | None, level: str, state: str) -> None:
    found = redis_setup.memory("Redis", RedisFacts(serves=[], memory_used=used, memory_limit=limit))
    assert (found.subject, found.level, found.state) == ("Redis, memory", level, state)
    assert bool(found.advice) is (level != "ok")


def test_nothing_is_found_in_what_is_hidden() -> None:
    assert list(redis_setup.examine("Redis", facts_of(["logs"], None, None))) == []
