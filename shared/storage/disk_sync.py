"""Durability: whether a Redis has what it acknowledged on its disk, asked before a 202 says that it is accepted."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.config.settings import Settings
from shared.errors import NotOnDiskError, SettingsError
from shared.storage import outage
from shared.storage.clock import seen_ms
from shared.storage.connections import connect
from shared.storage.keys import SYNC_MARK_KEY
from shared.storage.outage import words

logger = logging.getLogger("midstream.api")

AOF_DIRECTIVES = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite")
SYNC_TIMEOUT_S = 5.0
"""Seconds for which a sync is waited for; Redis does one each second."""
ANSWER_TIMEOUT_S = 10.0
"""Seconds after which a Redis that is asked has not answered."""
WAITING_CONNECTIONS = 25
"""For each of `redis_connections`, those that wait for a sync at once at most: a second's POSTs, each with its own."""

VERSIONS_WITH_WAITAOF = frozenset({"8.2.3"})
"""Versions of Redis whose WAITAOF was seen to answer after a delayed fdatasync, and never before it, each time.

What was tried, and how: tests/shared/storage/test_disk_sync.py. Valkey 8.1.8 and 9.1.2 answered before it in each of
20 tries, often within 1 ms. Redis 7.4 had the same fault (https://github.com/redis/redis/pull/13793), and 7.0 has no
WAITAOF. A version that was not tried does not count.
"""


def refusal(directives: Mapping[str, str] | None, version: str | None) -> str | None:
    """Returns why a server cannot say that a write is on its disk, and what to do; None where it can.

    `directives` are its AOF_DIRECTIVES, None where it hides CONFIG; `version` is that of a Redis, None for another
    server.
    """
    if directives is None:
        return "does not tell how it syncs: permit CONFIG GET to its user, or set MIDSTREAM_DURABILITY=second"
    if directives.get("appendonly") != "yes":
        return "has no append-only file: set `appendonly yes` and `appendfsync always`"
    if directives.get("no-appendfsync-on-rewrite") != "no":
        return "does not sync while it rewrites its file: set `no-appendfsync-on-rewrite no`"
    sync = directives.get("appendfsync")
    if sync == "always" or (sync == "everysec" and version in VERSIONS_WITH_WAITAOF):
        return None
    return f"has appendfsync {sync}: set `appendfsync always`"


def version_of(info: Mapping[str, Any]) -> str | None:
    """Returns the version in an INFO of Redis; None for Valkey, which also names the Redis that it began from."""
    return None if "valkey_version" in info else str(info.get("redis_version"))


class Disk:
    """One Redis' disk. The connections are its own: a wait for a sync holds one up."""

    def __init__(self, url: str, *, timeout: float, connections: int = 10 * WAITING_CONNECTIONS) -> None:
        self._redis: Redis = connect(url, timeout=timeout + SYNC_TIMEOUT_S, connections=connections)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def refusal(self) -> str | None:
        """Returns why this server cannot promise that a write is on disk; None where it can.

        Raises redis.exceptions.RedisError.
        """
        directives = await self._directives()
        return refusal(directives, version_of(await self._redis.info("server")))

    async def confirm(self, began: float) -> None:
        """Waits until what was written since `began` (the loop's time) is on disk.

        Under `appendfsync always` it was before the reply to the write. The server's settings are read each time:
        after a fail-over another server may be there, and CONFIG SET changes one that runs.

        Raises NotOnDiskError and redis.exceptions.RedisError.
        """
        directives = await self._directives()
        if refusal(directives, None) is None:
            return
        if why := refusal(directives, version_of(await self._redis.info("server"))):
            raise NotOnDiskError(why)
        async with self._redis.pipeline(transaction=False) as pipe:
            # On one connection: WAITAOF speaks of the last write of its own.
            pipe.set(SYNC_MARK_KEY, b"")
            pipe.execute_command("WAITAOF", 1, 0, int(SYNC_TIMEOUT_S * 1000))
            pipe.info("server")
            _, (synced, _), info = await pipe.execute()
        if not synced:
            raise NotOnDiskError(f"has not synced within {SYNC_TIMEOUT_S:.0f} s: look for a slow or full disk")
        seconds = asyncio.get_running_loop().time() - began
        known_ms = seen_ms(info)
        # It counts whole seconds of a clock, and may have begun one of them just now; and the clock may be set.
        since = info["uptime_in_seconds"] - 2 if known_ms is None else known_ms / 1000
        if since < seconds:
            raise NotOnDiskError("has restarted meanwhile, and may have lost what came before: this heals by itself")

    async def _directives(self) -> Mapping[str, str] | None:
        config_get: Any = self._redis.config_get  # typed for lists of patterns, and takes patterns
        try:
            found: Mapping[str, str] = await config_get(*AOF_DIRECTIVES)
        except ResponseError:  # forbidden, renamed, or never there
            return None
        return found


class DiskSync:
    """What `durability` asks for: nothing more than Redis' replies, or that all is on disk, on both Redis."""

    def __init__(self, settings: Settings, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._answer_timeout_s = answer_timeout_s
        limits: Any = {
            "timeout": settings.redis_timeout,
            "connections": settings.redis_connections * WAITING_CONNECTIONS,
        }
        self._disks = {name: Disk(url, **limits) for name, url in _servers(settings)}
        self._logged_reason: str | None = None

    async def aclose(self) -> None:
        """Closes the connections."""
        for disk in self._disks.values():
            await disk.aclose()

    async def require(self) -> None:
        """Raises SettingsError where a Redis can never do what `durability` asks for.

        One that does not answer is no reason not to start; each 202 asks again.
        """
        for name, disk in self._disks.items():
            try:
                async with asyncio.timeout(self._answer_timeout_s):
                    why = await disk.refusal()
            except (RedisError, TimeoutError) as error:
                reason = words(error, outage.refusal(error)) or type(error).__name__
                logger.warning("MIDSTREAM_DURABILITY=disk: %s does not answer (%s)", name, reason)
                continue
            if why:
                raise SettingsError(f"MIDSTREAM_DURABILITY=disk: {name} {why}")

    async def confirm(self, began: float) -> None:
        """Waits until what was written since `began` (the loop's time) is as durable as `durability` says.

        Raises NotOnDiskError where that is not known, and redis.exceptions.RedisError.
        """
        for name, disk in self._disks.items():
            try:
                async with asyncio.timeout(self._answer_timeout_s):
                    await disk.confirm(began)
            except (NotOnDiskError, TimeoutError) as error:
                why = f"{name} {error}" if isinstance(error, NotOnDiskError) else f"{name} does not answer"
                if why != self._logged_reason:  # once for each reason, not for each POST
                    logger.warning("answers 503, as MIDSTREAM_DURABILITY=disk cannot be kept: %s", why)
                self._logged_reason = why
                raise NotOnDiskError(why) from None
        self._logged_reason = None


def _servers(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.durability == "disk":
        yield "Redis", settings.redis_url
        if settings.queue_apart:
            yield "the queue's Redis", str(settings.queue_url)
