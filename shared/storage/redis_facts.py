"""How a Redis is set up and how it does, by its INFO and CONFIG: facts, which `midstream doctor` judges."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.exceptions import ResponseError

Use = Literal["logs", "queue"]
DIRECTIVES = "append*"
"""What is asked of CONFIG."""


class RedisFacts(BaseModel):
    """One Redis. A field is null where the Redis does not say it, as managed services hide INFO or CONFIG."""

    serves: list[Use] = Field(description="What is kept there.")
    server: Literal["Redis", "Valkey"] | None = None
    version: str | None = None
    append_only: bool | None = Field(default=None, description="Whether each write goes to the append-only file.")
    append_fsync: str | None = Field(default=None, description="`appendfsync`: how often that file is synced.")
    append_failed: bool | None = Field(default=None, description="Whether the last write to that file failed.")
    rewrite_failed: bool | None = Field(default=None, description="Whether the last rewrite of that file failed.")
    snapshot_failed: bool | None = Field(default=None, description="Whether the last snapshot (RDB) failed.")
    eviction: str | None = Field(default=None, description="`maxmemory-policy`.")
    memory_used: int | None = Field(default=None, description="Bytes.")
    memory_limit: int | None = Field(default=None, description="Bytes, `maxmemory`; null where there is none.")
    clients: int | None = Field(default=None, description="Open connections.")
    clients_limit: int | None = Field(default=None, description="`maxclients`.")
    clients_refused: int | None = Field(default=None, description="Connections that were refused since it started.")


def facts_of(serves: list[Use], info: Mapping[str, Any] | None, directives: Mapping[str, Any] | None) -> RedisFacts:
    """Returns the facts in what INFO and CONFIG GET say, each None where it is closed to us."""
    if info is None:
        return RedisFacts(serves=serves)
    # Valkey says 7.2.4 in `redis_version` for clients that know Redis only.
    valkey = "valkey_version" in info
    version = info.get("valkey_version" if valkey else "redis_version")
    return RedisFacts(
        serves=serves,
        server=None if version is None else "Valkey" if valkey else "Redis",
        version=None if version is None else str(version),
        append_only=_said(info, "aof_enabled", 1),
        append_fsync=(directives or {}).get("appendfsync"),
        append_failed=_failed(info, "aof_last_write_status"),
        rewrite_failed=_failed(info, "aof_last_bgrewrite_status"),
        snapshot_failed=_failed(info, "rdb_last_bgsave_status"),
        eviction=info.get("maxmemory_policy"),
        memory_used=info.get("used_memory"),
        memory_limit=info.get("maxmemory") or None,
        clients=info.get("connected_clients"),
        clients_limit=info.get("maxclients"),
        clients_refused=info.get("rejected_connections"),
    )


async def read_facts(redis: Redis, serves: list[Use]) -> RedisFacts:
    """Reads the facts of a Redis. Raises redis.exceptions.RedisError where it does not answer."""
    try:
        info = await redis.info()
    except ResponseError:
        return facts_of(serves, None, None)
    try:
        directives = await redis.config_get(DIRECTIVES)
    except ResponseError:
        directives = None
    return facts_of(serves, info, directives)


def _said(info: Mapping[str, Any], name: str, value: Any) -> bool | None:
    return None if name not in info else info[name] == value


def _failed(info: Mapping[str, Any], name: str) -> bool | None:
    said = _said(info, name, "ok")
    return None if said is None else not said
