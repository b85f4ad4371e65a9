"""Every command that we send to a Redis, with its keys and channels, for a trial that runs none."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from shared.config.settings import Settings
from shared.storage.keys import (
    COUNTED_KEY,
    DEADLINES_KEY,
    INTERRUPTS_CHANNEL,
    LEASE_KEY,
    LEASES_KEY,
    OWNERS_KEY,
    PENDING_KEY,
    PROBE_KEY,
    QUEUE_KEY,
    RECOVERY_KEY,
    SECRET_KEY,
    WAKE_KEY,
    WORKERS_KEY,
    GenerationKeys,
    api_node_key,
    askers_key,
    cache_key,
    circuit_key,
    job_key,
    owner_key,
    retry_key,
    task_key,
    usage_key,
)

_ID = GenerationKeys("gen_probe")
_SHA = "0" * 40

_BOTH = f"""
    PING
    TIME
    INFO server
    SCRIPT LOAD return
    EVAL return 0
    GET {PROBE_KEY}
    SET {PROBE_KEY} 1 PX 1000
"""
_LOGS = f"""
    GET {SECRET_KEY}
    SET {SECRET_KEY} 1 NX
    GET {cache_key("probe")}
    SET {cache_key("probe")} 1
    HGETALL {askers_key("probe")}
    HGET {askers_key("probe")} probe
    HVALS {askers_key("probe")}
    HSET {askers_key("probe")} probe 1
    HDEL {askers_key("probe")} probe
    PEXPIRE {askers_key("probe")} 1
    EVALSHA {_SHA} 1 {askers_key("probe")}
    GET {api_node_key("probe")}
    SET {api_node_key("probe")} 1 PX 1000 GET
    PEXPIRE {api_node_key("probe")} 1
    SET {_ID.tombstone} 1
    EXISTS {_ID.record} {_ID.tombstone}
    HMGET {_ID.record} state
    HGETALL {_ID.record}
    HGET {_ID.record} state
    HEXISTS {_ID.record} state
    HSET {_ID.record} state 1
    HSETNX {_ID.record} state 1
    HDEL {_ID.record} state
    PTTL {_ID.tombstone}
    PEXPIRE {_ID.record} 1
    DEL {_ID.record} {_ID.log}
    XADD {_ID.log} 1-0 f v
    XRANGE {_ID.log} - + COUNT 1
    XREVRANGE {_ID.log} + - COUNT 1
    XLEN {_ID.log}
    RENAME {_ID.packing} {_ID.log}
    EVALSHA {_SHA} 3 {_ID.record} {_ID.log} {_ID.tombstone}
    PUBLISH {_ID.channel} 1
    SUBSCRIBE {_ID.channel}
    UNSUBSCRIBE {_ID.channel}
"""
_LOGS_ALONE = f"""
    SCAN 0 MATCH {PROBE_KEY} COUNT 1
"""
_QUEUE = f"""
    GET {job_key("probe")}
    GET {RECOVERY_KEY}
    SET {RECOVERY_KEY} 1
    SET {job_key("probe")} 1
    DEL {job_key("probe")} {retry_key("probe")}
    INCRBY {retry_key("probe")} 1
    EXPIRE {retry_key("probe")} 1
    EVALSHA {_SHA} 4 {QUEUE_KEY} {WAKE_KEY} {PENDING_KEY} {LEASES_KEY}
    EVALSHA {_SHA} 2 {job_key("probe")} {retry_key("probe")}
    PERSIST {QUEUE_KEY}
    ZADD {QUEUE_KEY} 1 probe
    ZADD {PENDING_KEY} 1 probe
    ZADD {DEADLINES_KEY} 1 probe
    ZADD {COUNTED_KEY} 1 probe
    ZADD {WORKERS_KEY} 1 probe
    ZADD {owner_key("probe")} 1 probe
    ZREM {PENDING_KEY} probe
    ZCARD {PENDING_KEY}
    ZCOUNT {WORKERS_KEY} 0 1
    ZSCORE {PENDING_KEY} probe
    ZMSCORE {PENDING_KEY} probe
    ZRANGEBYSCORE {QUEUE_KEY} 0 1
    ZREMRANGEBYSCORE {COUNTED_KEY} 0 1
    ZREVRANGE {owner_key("probe")} 0 1
    ZREVRANGEBYSCORE {owner_key("probe")} 1 0
    SADD {OWNERS_KEY} probe
    SREM {OWNERS_KEY} probe
    SMEMBERS {OWNERS_KEY}
    HGET {LEASES_KEY} probe
    HLEN {LEASES_KEY}
    HMGET {LEASES_KEY} probe
    HEXISTS {LEASES_KEY} probe
    HSET {LEASES_KEY} probe 1
    HDEL {LEASES_KEY} probe
    HMGET {circuit_key("probe")} until
    HSET {circuit_key("probe")} until 1
    PEXPIRE {circuit_key("probe")} 1
    HGETALL {usage_key("probe", date.min)}
    HINCRBY {usage_key("probe", date.min)} probe 1
    SET {task_key("probe")} 1 NX PX 1000
    PTTL {task_key("probe")}
    SET {LEASE_KEY} 1 GET
    PUBLISH {INTERRUPTS_CHANNEL} 1
    SUBSCRIBE {INTERRUPTS_CHANNEL}
    UNSUBSCRIBE {INTERRUPTS_CHANNEL}
    BLPOP {WAKE_KEY} 1
    LPUSH {WAKE_KEY} 1
    LTRIM {WAKE_KEY} 0 63
"""

HINT_COMMANDS = {
    "BLPOP": "workers look at the queue each 0.1 s",
    "LPUSH": "workers look at the queue once a second",
    "LTRIM": "workers look at the queue once a second",
    "SCAN": "what the queue's Redis loses with its last second may wait for ever",
    "INFO": "nobody sees that Redis has just restarted, nor how it is set up",
}
"""Commands that serve as hints only, and what follows without them."""


@dataclass(frozen=True, slots=True)
class TriedServer:
    """A Redis that we use: the setting that names it, and the commands that are tried there."""

    setting: str
    url: str
    commands: tuple[str, ...]


def servers(settings: Settings) -> Iterator[TriedServer]:
    """Yields each Redis of these settings, with the commands that are tried there."""
    if not settings.queue_apart:
        yield TriedServer("redis_url", settings.redis_url, _lines(_BOTH + _LOGS + _QUEUE))
        return
    yield TriedServer("redis_url", settings.redis_url, _lines(_BOTH + _LOGS + _LOGS_ALONE))
    yield TriedServer("queue_url", str(settings.queue_url), _lines(_BOTH + _QUEUE))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
