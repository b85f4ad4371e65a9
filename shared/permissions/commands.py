"""Every command that we send to a Redis, with its keys and channels, for a trial that runs none."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from shared.config.settings import Settings
from shared.queue.lines import LINE_KEYS
from shared.storage.keys import (
    ACTIVITY_KEY,
    ANSWERS_KEY,
    COUNTED_KEY,
    DEADLINES_KEY,
    FAILURES_KEY,
    FINISHED_KEY,
    INTERRUPTS_CHANNEL,
    KEYS_KEY,
    LEASE_KEY,
    LEASED_KEY,
    LEASES_KEY,
    LINE_OWNERS_KEY,
    LINES_KEY,
    OWNERS_KEY,
    PENDING_KEY,
    PLACES_KEY,
    PROBE_KEY,
    QUEUE_KEY,
    RECOVERY_KEY,
    SECRET_KEY,
    TIME_KEY,
    UNWATCHED_KEY,
    USAGE_OWNERS_KEY,
    VIEWERS_CHANNEL,
    WAKE_KEY,
    WORKERS_KEY,
    ConversationKeys,
    GenerationKeys,
    announced_key,
    api_node_key,
    askers_key,
    cache_key,
    circuit_key,
    conversations_key,
    job_key,
    line_key,
    owner_key,
    owner_viewers_key,
    provider_key,
    provider_waiting_key,
    rate_key,
    retry_key,
    running_key,
    session_key,
    share_key,
    stored_key,
    task_key,
    usage_key,
)

_ID = GenerationKeys("gen_probe")
_CONVERSATION = ConversationKeys("probe", "probe")
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
    HMGET {_CONVERSATION.about} created
    HGET {_CONVERSATION.about} run
    HEXISTS {_CONVERSATION.about} created
    HSET {_CONVERSATION.about} title 1
    HSETNX {_CONVERSATION.about} created 1
    PTTL {_CONVERSATION.about}
    PEXPIRE {_CONVERSATION.about} 1
    DEL {_CONVERSATION.about}
    PUBLISH {_CONVERSATION.channel} 1
    SUBSCRIBE {_CONVERSATION.channel}
    UNSUBSCRIBE {_CONVERSATION.channel}
    ZADD {_CONVERSATION.generations} 1 probe
    ZCARD {_CONVERSATION.generations}
    ZCOUNT {_CONVERSATION.generations} 1 1
    ZSCORE {_CONVERSATION.generations} probe
    ZRANGEBYSCORE {_CONVERSATION.generations} 0 1
    ZREVRANGE {_CONVERSATION.generations} 0 1
    ZREM {_CONVERSATION.generations} probe
    ZRANGE {_CONVERSATION.buried} 0 1
    GET {_CONVERSATION.tombstone}
    SET {_CONVERSATION.tombstone} 1 PX 1000
    EXISTS {_CONVERSATION.tombstone}
    EVALSHA {_SHA} 3 {_CONVERSATION.about} {_CONVERSATION.generations} {_CONVERSATION.tombstone}
    ZADD {conversations_key("probe")} 1 probe
    ZREM {conversations_key("probe")} probe
    ZREVRANGE {conversations_key("probe")} 0 1
    ZREVRANGEBYSCORE {conversations_key("probe")} 1 0
    ZREMRANGEBYSCORE {conversations_key("probe")} 0 1
    PEXPIRE {conversations_key("probe")} 1
    EVALSHA {_SHA} 1 {conversations_key("probe")}
    HGETALL {_ID.viewers}
    HSET {_ID.viewers} probe 1
    HDEL {_ID.viewers} probe
    PEXPIRE {_ID.viewers} 1
    EVALSHA {_SHA} 1 {_ID.viewers}
    PUBLISH {VIEWERS_CHANNEL} 1
    SUBSCRIBE {VIEWERS_CHANNEL}
    UNSUBSCRIBE {VIEWERS_CHANNEL}
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
    EVALSHA {_SHA} {len(LINE_KEYS)} {" ".join(LINE_KEYS)}
    EVALSHA {_SHA} 2 {job_key("probe")} {retry_key("probe")}
    PERSIST {QUEUE_KEY}
    ZADD {QUEUE_KEY} 1 probe
    ZADD {LEASED_KEY} 1 probe
    ZADD {LINES_KEY} 1 probe
    ZADD {FINISHED_KEY} 1 probe
    ZADD {line_key("probe")} 1 probe
    ZADD {PENDING_KEY} 1 probe
    ZADD {DEADLINES_KEY} 1 probe
    PERSIST {UNWATCHED_KEY}
    ZADD {UNWATCHED_KEY} 1 probe
    ZREM {UNWATCHED_KEY} probe
    ZRANGEBYSCORE {UNWATCHED_KEY} 0 1
    EVALSHA {_SHA} 1 {UNWATCHED_KEY}
    ZADD {COUNTED_KEY} 1 probe
    ZADD {USAGE_OWNERS_KEY} 1 probe
    ZRANGEBYSCORE {USAGE_OWNERS_KEY} 0 1
    ZADD {WORKERS_KEY} 1 probe
    ZADD {owner_key("probe")} 1 probe
    ZREM {PENDING_KEY} probe
    ZCARD {PENDING_KEY}
    ZCOUNT {WORKERS_KEY} 0 1
    ZRANGE {line_key("probe")} 0 0
    ZRANK {line_key("probe")} probe
    EXISTS {line_key("probe")}
    ZSCORE {PENDING_KEY} probe
    ZMSCORE {PENDING_KEY} probe
    ZRANGE {LINES_KEY} 0 1
    ZRANGEBYSCORE {QUEUE_KEY} 0 1
    ZREMRANGEBYSCORE {COUNTED_KEY} 0 1
    ZREVRANGE {owner_key("probe")} 0 1
    ZREVRANGEBYSCORE {owner_key("probe")} 1 0
    SADD {OWNERS_KEY} probe
    SREM {OWNERS_KEY} probe
    SMEMBERS {OWNERS_KEY}
    SCARD {running_key("probe")}
    SRANDMEMBER {running_key("probe")} 1
    HSETNX {LINE_OWNERS_KEY} probe 1
    HSCAN {LINE_OWNERS_KEY} 0 COUNT 1
    HGET {TIME_KEY} virtual
    HGET {PLACES_KEY} probe
    HGET {LEASES_KEY} probe
    HLEN {LEASES_KEY}
    HMGET {LEASES_KEY} probe
    HVALS {LEASES_KEY}
    HEXISTS {LEASES_KEY} probe
    HSET {LEASES_KEY} probe 1
    HDEL {LEASES_KEY} probe
    ZADD {provider_key("probe")} 1 probe
    ZRANGEBYSCORE {provider_key("probe")} 0 1
    ZREM {provider_key("probe")} probe
    ZCARD {provider_waiting_key("probe")}
    ZRANK {provider_waiting_key("probe")} probe
    PEXPIRE {provider_waiting_key("probe")} 1
    HMGET {circuit_key("probe")} until
    HSET {circuit_key("probe")} until 1
    PEXPIRE {circuit_key("probe")} 1
    HGETALL {stored_key("probe")}
    HMGET {stored_key("probe")} owner
    HEXISTS {stored_key("probe")} digest
    HSET {stored_key("probe")} owner 1
    PEXPIRE {stored_key("probe")} 1
    EXISTS {stored_key("probe")}
    DEL {stored_key("probe")}
    ZADD {KEYS_KEY} XX GT 1 probe
    ZRANGE {KEYS_KEY} 0 -1 WITHSCORES
    ZREM {KEYS_KEY} probe
    ZCARD {line_key("probe")}
    ZADD {announced_key("probe")} 1 probe
    ZCOUNT {announced_key("probe")} 0 1
    ZREMRANGEBYSCORE {announced_key("probe")} 0 1
    PEXPIRE {announced_key("probe")} 1
    GET {rate_key("probe")}
    SET {rate_key("probe")} 1 PX 1000
    HMGET {usage_key("probe", date.min)} probe
    HGETALL {FAILURES_KEY}
    HSET {FAILURES_KEY} probe 1
    HSET {ANSWERS_KEY} probe 1
    HINCRBY {ACTIVITY_KEY} started 1
    HGETALL {usage_key("probe", date.min)}
    HINCRBY {usage_key("probe", date.min)} probe 1
    SET {task_key("probe")} 1 NX PX 1000
    PTTL {task_key("probe")}
    HGETALL {owner_viewers_key("probe")}
    HSET {owner_viewers_key("probe")} probe 1
    HDEL {owner_viewers_key("probe")} probe
    PEXPIRE {owner_viewers_key("probe")} 1
    EVALSHA {_SHA} 1 {owner_viewers_key("probe")}
    SET {LEASE_KEY} 1 GET
    SET {session_key("probe")} 1 PX 1000
    GET {session_key("probe")}
    MGET {session_key("probe")}
    DEL {session_key("probe")}
    SET {share_key("probe")} 1 PX 1000
    GET {share_key("probe")}
    MGET {share_key("probe")}
    DEL {share_key("probe")}
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
