"""How a Redis is set up, by its INFO and CONFIG: what `midstream doctor` finds wrong with it."""

from collections.abc import Iterator
from typing import Any

from midstream.checks.finding import Finding, Level
from shared.storage.outage import CROWDED_REMEDY

# Streams, functions and script flags that the log relies on came with Redis 7; Valkey began at 7.2.
OLDEST_REDIS = (7, 0)


def version(subject: str, info: dict[str, Any]) -> Finding:
    """Returns a finding on whether a Redis is new enough."""
    # Valkey says 7.2.4 in `redis_version` for clients that know Redis only.
    if "valkey_version" in info:
        return Finding("ok", subject, f"Valkey {info['valkey_version']}")
    said = str(info["redis_version"])
    if tuple(int(part) for part in said.split(".")[:2]) < OLDEST_REDIS:
        return Finding("fail", subject, f"Redis {said}", "use Redis 7.0 or newer, or Valkey")
    return Finding("ok", subject, f"Redis {said}")


def persistence(subject: str, info: dict[str, Any], directives: dict[str, str]) -> Finding:
    """Returns a finding on whether what a Redis acknowledged survives its restart."""
    subject = f"{subject}, persistence"
    if not info["aof_enabled"]:
        advice = "set `appendonly yes`; without it a restart of the server loses accepted generations"
        return Finding("fail", subject, "off (appendonly no)", advice)
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("fail", subject, "the last write failed", "look for a full or broken disk")
    sync = directives.get("appendfsync")
    if sync is None:
        advice = "it hides CONFIG: make sure that appendfsync is everysec or always"
        return Finding("warn", subject, "on, how often is unknown", advice)
    if sync not in ("everysec", "always"):
        return Finding("fail", subject, f"on, appendfsync {sync}", "set `appendfsync everysec`")
    return Finding("ok", subject, f"on, appendfsync {sync}")


def policy(subject: str, info: dict[str, Any]) -> Finding:
    """Returns a finding on whether a Redis deletes what it holds."""
    subject, said = f"{subject}, eviction", info["maxmemory_policy"]
    if said == "noeviction":
        return Finding("ok", subject, said)
    level: Level = "fail" if info["maxmemory"] else "warn"
    advice = "set `maxmemory-policy noeviction`; any other deletes logs while they are being written"
    return Finding(level, subject, said, advice)


def connections(subject: str, info: dict[str, Any], needed: int) -> Iterator[Finding]:
    """Yields a finding on whether a Redis has connections enough for an API and a worker, and has refused none.

    Where the Redis hides its limit, there is no finding.
    """
    if (most := info.get("maxclients")) is None:
        return
    open_now, refused = info["connected_clients"], info.get("rejected_connections", 0)
    subject, state = f"{subject}, connections", f"{open_now} of {most} (maxclients)"
    advice = CROWDED_REMEDY.removeprefix(": ")
    if most < needed:
        state += f", and one API with one worker may open {needed}"
        yield Finding("fail", subject, state, advice)
    elif refused or open_now >= most:
        yield Finding("warn", subject, f"{state}, and {refused} were refused since it started", advice)
    else:
        yield Finding("ok", subject, state)
