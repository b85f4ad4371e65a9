"""Permissions: whether the user of a Redis URL may do what we do, tried at start and by `midstream doctor`.

Without that, a missing one shows much later and elsewhere: a script that is refused in its middle keeps what it wrote.
Redis checks commands, keys and channels when it queues a command for a transaction (ACL.md of Redis 7, `MULTI`), so all
of them are tried by their own names in one that is discarded: nothing is run. `ACL DRYRUN` would need an administrator.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from shared.log import Keys
from shared.outage import refusal
from shared.queue import DEADLINES, INTERRUPTS, LEASES, OWNERS, PENDING, QUEUE, WAKE
from shared.redis_client import connect
from shared.settings import Settings, SettingsError
from shared.totals import COUNTED
from shared.workers import WORKERS

logger = logging.getLogger("midstream.redis")

RULE = "~midstream:* ~arq:* &midstream:* +@all -@dangerous +info"
"""Of a user that may do all that we do, and none of what Redis calls dangerous (ACL SETUSER)."""
LIMIT = 3.0
"""Seconds after which a Redis that is asked at start has not answered."""

_ID = Keys("gen_probe")
_SHA = "0" * 40

_BOTH = """
    PING
    TIME
    INFO server
    SCRIPT LOAD return
    EVAL return 0
    GET midstream:probe
    SET midstream:probe 1 PX 1000
"""
_LOGS = f"""
    GET midstream:secret
    SET midstream:secret 1 NX
    GET midstream:cache:probe
    SET midstream:cache:probe 1
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
_QUEUE = f"""
    GET arq:job:probe
    SET arq:job:probe 1
    DEL arq:job:probe arq:retry:probe
    INCRBY arq:retry:probe 1
    EXPIRE arq:retry:probe 1
    EVALSHA {_SHA} 4 {QUEUE} {WAKE} {PENDING} {LEASES}
    EVALSHA {_SHA} 2 arq:job:probe arq:retry:probe
    PERSIST {QUEUE}
    ZADD {QUEUE} 1 probe
    ZADD {PENDING} 1 probe
    ZADD {DEADLINES} 1 probe
    ZADD {COUNTED} 1 probe
    ZADD {WORKERS} 1 probe
    ZADD midstream:owner:probe 1 probe
    ZREM {PENDING} probe
    ZCARD {PENDING}
    ZCOUNT {WORKERS} 0 1
    ZSCORE {PENDING} probe
    ZMSCORE {PENDING} probe
    ZRANGEBYSCORE {QUEUE} 0 1
    ZREMRANGEBYSCORE {COUNTED} 0 1
    ZREVRANGE midstream:owner:probe 0 1
    ZREVRANGEBYSCORE midstream:owner:probe 1 0
    SADD {OWNERS} probe
    SMEMBERS {OWNERS}
    HGET {LEASES} probe
    HLEN {LEASES}
    HMGET {LEASES} probe
    HEXISTS {LEASES} probe
    HSET {LEASES} probe 1
    HDEL {LEASES} probe
    HMGET midstream:circuit:probe until
    HSET midstream:circuit:probe until 1
    PEXPIRE midstream:circuit:probe 1
    HGETALL midstream:usage:probe
    HINCRBY midstream:usage:probe probe 1
    SET midstream:alone:probe 1 NX PX 1000
    PTTL midstream:alone:probe
    SET midstream:lease 1 GET
    PUBLISH {INTERRUPTS} 1
    SUBSCRIBE {INTERRUPTS}
    UNSUBSCRIBE {INTERRUPTS}
    BLPOP {WAKE} 1
    LPUSH {WAKE} 1
    LTRIM {WAKE} 0 63
"""

_HINTS = {
    "BLPOP": "workers look at the queue each 0.1 s",
    "LPUSH": "workers look at the queue once a second",
    "LTRIM": "workers look at the queue once a second",
    "INFO": "nobody sees that Redis has just restarted, nor how it is set up",
}
"""Commands that serve as hints only, and what follows without them."""

_ACCESS = re.compile(r"access (?:a|one of the) (key|channel)")
_COMMAND = re.compile(r"run the '([^']+)' command")


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis that is used: under which setting's name, and for what."""

    setting: str
    url: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lacks:
    """What a user may not do, as `the command PUBLISH`, and what of it is only a hint, with what follows."""

    needed: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"its user may not use {', '.join(self.needed)}"


def servers(settings: Settings) -> Iterator[Server]:
    """Each Redis of these settings, with the commands that are tried there."""
    if settings.queue_url in (None, settings.redis_url):
        yield Server("redis_url", settings.redis_url, _lines(_BOTH + _LOGS + _QUEUE))
        return
    yield Server("redis_url", settings.redis_url, _lines(_BOTH + _LOGS))
    yield Server("queue_url", str(settings.queue_url), _lines(_BOTH + _QUEUE))


async def lacks(server: Server, *, timeout: float) -> Lacks:  # noqa: ASYNC109
    """What its user may not do.

    Raises redis.exceptions.RedisError, OSError and TimeoutError where Redis does not answer within `timeout` seconds,
    or lets nobody in.
    """
    client = connect(server.url, timeout=timeout, connections=1, retries=0)
    connection: AbstractConnection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(timeout):
            # Not as our connections do, nor is it read so: what comes of it is told here, all at once.
            await AbstractConnection.connect(connection)  # type: ignore[no-untyped-call]
            # Outside of a transaction it says that there is none.
            refused = [await _try(connection, "EXEC")]
            refused.append(begun := await _try(connection, "MULTI", must=b"OK"))
            if begun is None:
                await connection.send_packed_command(connection.pack_commands(map(str.split, server.commands)))
                refused += [await _reply(connection, command) for command in server.commands]
    except RedisError as error:
        if refusal(error) != "NOPERM":
            raise
        refused = [_denied("SELECT", error)]
    finally:
        await connection.disconnect(nowait=True)  # and with it the transaction
        await client.aclose()
    return _sorted(filter(None, refused))


async def require(settings: Settings) -> None:
    """Raises SettingsError where something is missing that is needed, and logs what is only a hint.

    A Redis that is away, or lets nobody in, is no reason not to start: it is waited for, and that is told.
    """
    asked = list(servers(settings))
    seconds = min(settings.redis_timeout, LIMIT)
    found = await asyncio.gather(*(lacks(server, timeout=seconds) for server in asked), return_exceptions=True)
    for server, lack in zip(asked, found, strict=True):
        where = settings.sources.where([server.setting])
        if isinstance(lack, Lacks):
            if lack.needed:
                raise SettingsError(f"{where}: {lack}; permit it in Redis, as by ACL SETUSER NAME {RULE}")
            if lack.hints:
                logger.warning("%s: its user may not use %s", where, "; ".join(lack.hints))
        elif not isinstance(lack, RedisError | OSError):
            raise lack


async def _try(connection: AbstractConnection, command: str, must: bytes | None = None) -> str | None:
    await connection.send_packed_command(connection.pack_commands([command.split()]))
    return await _reply(connection, command, must)


async def _reply(connection: AbstractConnection, command: str, must: bytes | None = None) -> str | None:
    """What is missing for a command; None where it was queued, or refused for another reason.

    With `must` any other reply raises ResponseError.
    """
    try:
        reply = await AbstractConnection.read_response(connection, disconnect_on_error=False)
    except ResponseError as error:
        denied = _denied(command, error)
        if denied is None and must is not None:
            raise
        return denied
    if must is not None and reply != must:
        raise ResponseError(f"no reply that {command} has")
    return None


def _denied(command: str, error: Exception) -> str | None:
    words = str(error)
    # EXEC is refused as an aborted transaction, whose reason is behind it.
    if isinstance(error, NoPermissionError) or refusal(error) == "NOPERM" or "NOPERM" in words:
        if access := _ACCESS.search(words):
            return f"the {access[1]}s {_pattern(command)}"
        named = _COMMAND.search(words)
        return f"the command {_name(named[1] if named else command)}"
    return f"the command {_name(command)}" if words.lower().startswith("unknown command") else None


def _name(command: str) -> str:
    first, second, *_ = f"{command.replace('|', ' ')} ".upper().split(" ")
    return f"{first} {second}" if first == "SCRIPT" else first


def _pattern(command: str) -> str:
    return "arq:*" if " arq:" in command else "midstream:*"


def _sorted(missing: Iterable[str]) -> Lacks:
    """Each once; a hint is what names no more than its command."""
    distinct = dict.fromkeys(missing)
    hints = {name: follows for name in distinct if (follows := _HINTS.get(name.removeprefix("the command ")))}
    return Lacks(
        tuple(name for name in distinct if name not in hints),
        tuple(f"{name}, so {follows}" for name, follows in hints.items()),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
