"""How a Redis is set up and does, by its facts: what `midstream doctor` finds wrong with it."""

from collections.abc import Iterator

from midstream.checks.finding import Finding
from shared.storage.outage import CROWDED_REMEDY
from shared.storage.redis_facts import RedisFacts

# Streams, functions and script flags that the log relies on came with Redis 7; Valkey began at 7.2.
OLDEST_REDIS = (7, 0)
MUCH_MEMORY, MOST_MEMORY = 0.8, 0.9
"""Parts of `maxmemory` in use from which on it is warned of, and is a failure: past the whole nothing is accepted."""


def examine(subject: str, facts: RedisFacts) -> Iterator[Finding]:
    """Yields all findings but that on connections; none on what the Redis does not say."""
    if facts.version is not None:
        yield version(subject, facts)
    if facts.append_only is not None:
        yield persistence(subject, facts)
    if facts.eviction is not None:
        yield policy(subject, facts)
    if facts.memory_used is not None:
        yield memory(subject, facts)


def version(subject: str, facts: RedisFacts) -> Finding:
    """Returns a finding on whether a Redis is new enough."""
    state = f"{facts.server} {facts.version}"
    numbers = tuple(int(part) for part in str(facts.version).split(".")[:2] if part.isdecimal())
    if facts.server == "Redis" and numbers < OLDEST_REDIS:
        return Finding("fail", subject, state, "use Redis 7.0 or newer, or Valkey")
    return Finding("ok", subject, state)


def persistence(subject: str, facts: RedisFacts) -> Finding:
    """Returns a finding on whether what a Redis acknowledged survives its restart."""
    subject = f"{subject}, persistence"
    if not facts.append_only:
        advice = "set `appendonly yes`; without it a restart of the server loses accepted generations"
        return Finding("fail", subject, "off (appendonly no)", advice)
    if facts.append_failed:
        return Finding("fail", subject, "the last write failed", "look for a full or broken disk")
    sync = facts.append_fsync
    if sync is None:
        advice = "it hides CONFIG: make sure that appendfsync is everysec or always"
        return Finding("warn", subject, "on, how often is unknown", advice)
    if sync not in ("everysec", "always"):
        return Finding("fail", subject, f"on, appendfsync {sync}", "set `appendfsync everysec`")
    for failed, what in ((facts.rewrite_failed, "rewrite of the file"), (facts.snapshot_failed, "snapshot (RDB)")):
        if failed:
            advice = "look for a full or broken disk, or too little memory for a second process"
            return Finding("warn", subject, f"on, appendfsync {sync}, but the last {what} failed", advice)
    return Finding("ok", subject, f"on, appendfsync {sync}")


def policy(subject: str, facts: RedisFacts) -> Finding:
    """Returns a finding on whether a Redis deletes what it holds, now or once it has a limit."""
    subject, said = f"{subject}, eviction", str(facts.eviction)
    if said == "noeviction":
        return Finding("ok", subject, said)
    advice = "set `maxmemory-policy noeviction`; any other deletes logs while they are being written"
    return Finding("fail", subject, said, advice)


def memory(subject: str, facts: RedisFacts) -> Finding:
    """Returns a finding on how much of the memory that a Redis may take is in use."""
    subject, used, limit = f"{subject}, memory", facts.memory_used or 0, facts.memory_limit
    if not limit:
        return Finding("ok", subject, f"{size(used)}, no limit (maxmemory)")
    state = f"{size(used)} of {size(limit)} (maxmemory), {used / limit:.0%}"
    if used < MUCH_MEMORY * limit:
        return Finding("ok", subject, state)
    advice = "give it more (maxmemory), or keep less (MIDSTREAM_TTL); at the limit a POST is answered 503"
    return Finding("warn" if used < MOST_MEMORY * limit else "fail", subject, state, advice)


def size(count: int) -> str:
    """Returns a number of bytes in decimal units."""
    for power, unit in enumerate(("bytes", "kB", "MB")):
        if count < 1000 ** (power + 1):
            return f"{count / 1000**power:.{max(0, power - 1)}f} {unit}"
    return f"{count / 1000**3:.2f} GB"


def connections(subject: str, facts: RedisFacts, needed: int = 0) -> Iterator[Finding]:
    """Yields a finding on whether a Redis has connections enough for an API and a worker, and has refused none.

    Where the Redis hides its limit, there is no finding.
    """
    if (most := facts.clients_limit) is None:
        return
    open_now, refused = facts.clients or 0, facts.clients_refused or 0
    subject, state = f"{subject}, connections", f"{open_now} of {most} (maxclients)"
    advice = CROWDED_REMEDY.removeprefix(": ")
    if most < needed:
        state += f", and one API with one worker may open {needed}"
        yield Finding("fail", subject, state, advice)
    elif refused or open_now >= most:
        yield Finding("warn", subject, f"{state}, and {refused} were refused since it started", advice)
    else:
        yield Finding("ok", subject, state)
