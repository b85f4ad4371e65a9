"""One Redis, as `midstream doctor` looks at it: whether it answers, permits, is set up right, and takes writes."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis

from midstream.checks import redis_setup
from midstream.checks.blocking_client import open_client, refuse_if_hung_up, unless_closed
from midstream.checks.finding import Finding
from midstream.program import typed
from shared.permissions.commands import TriedServer
from shared.permissions.permission_check import ACL_RULE, MissingPermissions, lacks
from shared.storage import disk_sync
from shared.storage.keys import PROBE_KEY
from shared.storage.outage import CROWDED_REMEDY, is_crowded, refusal, words
from shared.storage.redis_facts import DIRECTIVES, facts_of

REDIS_TIMEOUT_S = 3.0
# Seconds. Leases and tokens use Redis' clock alone, so a difference confuses only who reads the logs.
CLOCK_DIFFERENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class CheckedRedis:
    """A Redis, its name in the report, and where its address is written: None for the embedded one."""

    subject: str
    server: TriedServer
    setting: str | None
    most: int
    """Connections that one API with one worker may open there."""


def examine(place: CheckedRedis, *, timeout_s: float = REDIS_TIMEOUT_S) -> Iterator[Finding]:
    """Yields all findings but those on durability and the queue; only one where the Redis does not answer."""
    client = open_client(place.server.url, timeout_s)
    try:
        refuse_if_hung_up(client)
        yield from _permissions(place, _lacks(place.server, timeout_s))
        if (info := unless_closed(client.info)) is not None:
            facts = facts_of([], info, unless_closed(lambda: client.config_get(DIRECTIVES)))
            yield from redis_setup.examine(place.subject, facts)
            yield from redis_setup.connections(place.subject, facts, place.most)
        yield from _clock(place.subject, client)
        yield from _writes(place, client)
    except (redis.RedisError, OSError) as error:
        yield _no_use(place, error)
    finally:
        client.close()


def cannot_promise(url: str) -> tuple[str, str] | None:
    """Returns why a Redis cannot say what is on its disk, and what to do; None where it can, or does not answer."""
    # redis-py types its methods for asyncio as well.
    client: Any = open_client(url, REDIS_TIMEOUT_S)
    try:
        directives = unless_closed(lambda: client.config_get(*disk_sync.AOF_DIRECTIVES))
        flaw = disk_sync.refusal(directives, disk_sync.version_of(client.info("server")))
    except redis.RedisError:
        return None
    finally:
        client.close()
    state, _, advice = (flaw or "").partition(": ")
    return (state, advice) if flaw else None


def _lacks(server: TriedServer, timeout_s: float) -> MissingPermissions:
    """Returns what its user may not do. Raises redis.exceptions.RedisError and OSError."""
    # In a thread, as whoever calls may have a loop of its own.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(lacks(server, timeout=timeout_s))).result()


def _no_use(place: CheckedRedis, error: BaseException) -> Finding:
    """Returns the finding that a Redis cannot be used at all: it does not answer, or answers with an error."""
    if type(error) is redis.ConnectionError and isinstance(error.__cause__, redis.RedisError):
        error = error.__cause__
    if is_crowded(error):
        return Finding("fail", f"{place.subject}, connections", str(error), CROWDED_REMEDY.removeprefix(": "))
    there = f"in {place.setting}" if place.setting else "in its configuration"
    if isinstance(error, redis.AuthenticationError):
        return Finding("fail", place.subject, "refuses our credentials", f"correct the user and password {there}")
    code, said = refusal(error), words(error, refusal(error)).rstrip(".")
    if code is not None or isinstance(error, redis.ResponseError):
        return Finding("fail", place.subject, f"refuses ({said})", f"correct it there, or {there}")
    if "certificate" in said.lower():
        advice = f"name its CA {there} (?ssl_ca_certs=FILE), or correct the certificate"
    else:
        advice = f"start it, or correct {place.setting}" if place.setting else f"start it with `{typed('up')}`"
    state = f"no answer at {_shown(place.server.url)} ({said or f'nothing within {REDIS_TIMEOUT_S:.0f} s'})"
    return Finding("fail", place.subject, state, advice)


def _permissions(place: CheckedRedis, lack: MissingPermissions) -> Iterator[Finding]:
    subject = f"{place.subject}, permissions"
    if lack.needed:
        yield Finding("fail", subject, str(lack), f"permit it, as by ACL SETUSER NAME {ACL_RULE}")
    if lack.hints:
        advice = "permit it, if that matters"
        if any("INFO" in hint for hint in lack.hints):
            advice += "; make sure of Redis 7.0, appendonly yes, appendfsync everysec, maxmemory-policy noeviction"
        yield Finding("warn", subject, f"its user may not use {'; '.join(lack.hints)}", advice)


def _clock(subject: str, client: redis.Redis) -> Iterator[Finding]:
    try:
        clock: Any = client.time()
    except redis.ResponseError:
        return  # which is told of among the permissions
    difference = abs(time.time() - clock[0] - clock[1] / 1e6)
    state = f"{difference * 1000:.0f} ms from this machine's"
    if difference > CLOCK_DIFFERENCE_S:
        yield Finding("warn", f"{subject}, clock", state, "run NTP on both machines")
    else:
        yield Finding("ok", f"{subject}, clock", state)


def _writes(place: CheckedRedis, client: redis.Redis) -> Iterator[Finding]:
    subject = f"{place.subject}, writes"
    try:
        client.set(PROBE_KEY, "1", px=1000)
    except redis.exceptions.NoPermissionError:
        return
    except (redis.ResponseError, redis.ConnectionError) as error:
        code = refusal(error)
        if code is None:
            raise
        remedies = {
            "OOM": "give it more memory (maxmemory)",
            "MISCONF": "look for a full or broken disk",
            "READONLY": f"it is a replica: name the primary in {place.setting or 'its configuration'}",
        }
        said = words(error, code).rstrip(".")
        yield Finding("fail", subject, f"refused ({said})", remedies.get(code, "correct it there"))
    else:
        yield Finding("ok", subject, "taken")


def _shown(url: str) -> str:
    """Returns the address without its credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
