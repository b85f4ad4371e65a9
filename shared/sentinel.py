"""Sentinels: they know where the primary is, and are asked at each connect and each second.

The address: `redis+sentinel://[user:password@]host:port,host:port/SERVICE[/DB]`, or `rediss+sentinel://` where Redis
and the Sentinels speak TLS. User and password are Redis' own; those of the Sentinels are the parameters
`sentinel_username` and `sentinel_password`. Other parameters are redis-py's.

How it is done: https://redis.io/docs/latest/develop/reference/sentinel-clients/, with two differences. All Sentinels
are asked at once and the newest answer counts (`config-epoch`), as one that was cut off tells of the past for as long
as it is. And the primary's role is not asked for, which takes a permission: one that is none refuses the first write.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from weakref import ref

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool
from redis.exceptions import RedisError

from shared.pool import Pool
from shared.primary import Primary

SCHEMES = ("redis+sentinel", "rediss+sentinel")
PORT = 26379
WRONG_NODES = "must name Sentinels as host:port, separated by commas, as in redis+sentinel://a:26379,b:26379/mymaster"
PATIENCE = 1.0
"""Seconds in which a Sentinel must answer."""
GRACE = 0.1
"""Seconds for which the others are waited for once one has answered."""
WATCH = 1.0
"""Seconds between two questions while there are connections: a primary that was frozen, and wakes after another has
taken its place, takes writes until it is told, which then are lost."""


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Where the Sentinels are, and how they and the primary are spoken to; options as redis-py has them."""

    nodes: tuple[tuple[str, int], ...]
    service: str
    tls: bool
    redis: Mapping[str, Any]
    sentinel: Mapping[str, Any]


def sentinel_address(url: str) -> SentinelAddress | None:
    """None for an address of another kind. Raises ValueError where it is malformed; the text never has the value."""
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        return None
    # urlsplit refuses a list that has an IPv6 address after another one, from Python 3.11.12 on.
    place, _, path = rest.partition("/")
    path, _, query = path.partition("?")
    credentials, at, hosts = place.rpartition("@")
    nodes = tuple(_node(text) for text in hosts.split(","))
    service, _, database = path.partition("/")
    if not service:
        raise ValueError("must name the service that the Sentinels watch, as in redis+sentinel://host:26379/mymaster")
    if database and not (database.isascii() and database.isdecimal() and len(database) < 10):
        raise ValueError("must end with the number of a database, as in redis+sentinel://host:26379/mymaster/0")
    # What is left is an address as redis-py takes it.
    plain = urlunsplit((scheme.partition("+")[0], f"{credentials}{at}host", f"/{database}", query, ""))
    try:
        options: dict[str, Any] = dict(parse_url(plain))
    except ValueError:
        raise ValueError("has a parameter after its ? with a value that redis-py does not take") from None
    options.pop("connection_class", None)
    own = {key: options.pop(f"sentinel_{key}") for key in ("username", "password") if f"sentinel_{key}" in options}
    del options["host"]
    secured = {name: value for name, value in options.items() if name.startswith("ssl_")}
    tls = scheme == "rediss+sentinel"
    return SentinelAddress(nodes, unquote(service), tls, options, own | secured | ({"ssl": True} if tls else {}))


def _node(text: str) -> tuple[str, int]:
    """One Sentinel's host and port. Raises ValueError."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or "@" in text:
        raise ValueError(WRONG_NODES)
    return host, port or PORT


class Sentinels:
    """Those that watch one service; redis-py's pool asks them by `discover_master`."""

    def __init__(self, address: SentinelAddress) -> None:
        self._address = address
        self._question: asyncio.Task[tuple[str, int]] | None = None

    async def discover_master(self, service: str) -> tuple[str, int]:
        """Host and port of the primary. Who asks while a question is under way has its answer.

        Raises redis.asyncio.sentinel.MasterNotFoundError.
        """
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask(service))
            self._question.add_done_callback(_seen)
        # Who is cancelled does not take the others' answer away.
        return await asyncio.shield(self._question)

    async def _ask(self, service: str) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        everyone = [asyncio.create_task(self._ask_one(host, port, service)) for host, port in self._address.nodes]
        pending = set(everyone)
        states: list[Mapping[str, Any]] = []
        why = "none answers"
        until = loop.time() + PATIENCE
        try:
            while pending and (left := until - loop.time()) > 0:
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if error := task.exception():
                        why = str(error)
                    else:
                        states.append(task.result())
                if newest(states):
                    until = min(until, loop.time() + GRACE)
        finally:
            for task in everyone:
                task.cancel()
            await asyncio.gather(*everyone, return_exceptions=True)
        if (found := newest(states)) is None:
            raise MasterNotFoundError(f"no Sentinel says where {service!r} is: {'it is down' if states else why}")
        return found

    async def _ask_one(self, host: str, port: int, service: str) -> Mapping[str, Any]:
        """What it knows of the primary. Raises redis.exceptions.RedisError."""
        limits = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        # Without redis-py's CLIENT SETINFO, for which a Sentinel's user needs a permission.
        options: dict[str, Any] = {**self._address.sentinel, **limits, "lib_name": None, "lib_version": None}
        async with Redis(host=host, port=port, **options) as client:
            ask: Any = client.sentinel_master
            state: Mapping[str, Any] = await ask(service)
            return state


def _seen(question: asyncio.Task[tuple[str, int]]) -> None:
    """Whoever asked may have gone: then nobody else looks at how it ended."""
    if not question.cancelled():
        question.exception()


def newest(states: Iterable[Mapping[str, Any]]) -> tuple[str, int] | None:
    """Host and port of the primary, by the newest of what Sentinels say; None where none has one that is up."""
    known = [
        (int(state["config-epoch"]), str(state["ip"]), int(state["port"]))
        for state in states
        if state["is_master"] and not state["is_sdown"] and not state["is_odown"]
    ]
    return max(known)[1:] if known else None


class SentinelPool(SentinelConnectionPool, Pool):
    """redis-py's pool for Sentinels, with our bound; it closes what leads to a primary of the past."""

    def __init__(self, sentinels: Sentinels, service: str, primary: Primary, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self._primary = primary
        self._watching: asyncio.Task[None] | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Ask, and heed the answer. Raises redis.exceptions.RedisError."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(_watch(ref(self)))
        address: tuple[str, int] = await self.sentinel_manager.discover_master(self.service_name)
        if address != self.master_address:
            self.master_address = address
            self._primary.is_at(address)
        return address

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close all connections, and watch no more."""
        if self._watching is not None:
            self._watching.cancel()
        await super().disconnect(inuse_connections)


async def _watch(pool: ref[SentinelPool]) -> None:
    """Ask again and again, for as long as there is the pool: where connections are quiet, nobody else would notice."""
    while True:
        await asyncio.sleep(WATCH * random.uniform(0.8, 1.2))
        if (watched := pool()) is None:
            return
        with suppress(RedisError, OSError):
            await watched.get_master_address()
        del watched
