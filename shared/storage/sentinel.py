"""Sentinels: they know where the primary is, and are asked at each connect and each second.

How it is done: https://redis.io/docs/latest/develop/reference/sentinel-clients/, with two differences. All Sentinels
are asked at once and the newest answer counts (`config-epoch`), as one that was cut off tells of the past for as long
as it is. And the primary's role is not asked for, which takes a permission: one that is none refuses the first write.
"""

import asyncio
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from weakref import ref

from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool
from redis.exceptions import RedisError

from shared.config.sentinel_address import SentinelAddress
from shared.storage.connection_pool import BoundedPool
from shared.storage.primary import Primary

SENTINEL_TIMEOUT_S = 1.0
"""Seconds in which a Sentinel must answer."""
OTHERS_WAIT_S = 0.1
"""Seconds for which the others are waited for once one has answered."""


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
        until = loop.time() + SENTINEL_TIMEOUT_S
        try:
            while pending and (left := until - loop.time()) > 0:
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if error := task.exception():
                        why = str(error)
                    else:
                        states.append(task.result())
                if newest(states):
                    until = min(until, loop.time() + OTHERS_WAIT_S)
        finally:
            for task in everyone:
                task.cancel()
            await asyncio.gather(*everyone, return_exceptions=True)
        if (found := newest(states)) is None:
            raise MasterNotFoundError(f"no Sentinel says where {service!r} is: {'it is down' if states else why}")
        return found

    async def _ask_one(self, host: str, port: int, service: str) -> Mapping[str, Any]:
        """What it knows of the primary. Raises redis.exceptions.RedisError."""
        limits = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
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


class SentinelPool(SentinelConnectionPool, BoundedPool):
    """redis-py's pool for Sentinels, with our bound; it closes what leads to a primary of the past."""

    watch_interval_s = 1.0
    """Seconds between two questions while there are connections: a primary that was frozen, and wakes after another has
    taken its place, takes writes until it is told, which then are lost."""

    def __init__(self, sentinels: Sentinels, service: str, primary: Primary, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self._primary = primary
        self._watching: asyncio.Task[None] | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Ask, and heed the answer. Raises redis.exceptions.RedisError."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(_watch(ref(self), self.watch_interval_s))
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


async def _watch(pool: ref[SentinelPool], interval_s: float) -> None:
    """Ask again and again, for as long as there is the pool: where connections are quiet, nobody else would notice."""
    while True:
        await asyncio.sleep(interval_s * random.uniform(0.8, 1.2))
        if (watched := pool()) is None:
            return
        with suppress(RedisError, OSError):
            await watched.get_master_address()
        del watched
