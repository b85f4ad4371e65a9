"""Sentinels: they know where the primary is, and are asked at each connect and each second.

How it is done: https://redis.io/docs/latest/develop/reference/sentinel-clients/, with two differences. All Sentinels
are asked at once and the newest answer counts (`config-epoch`), as a Sentinel that is cut off answers with the past.
And the primary is not asked for its role, which takes a permission: a server that is no primary refuses the first
write.
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
    """The Sentinels that watch one service; redis-py's pool asks them by `discover_master`."""

    def __init__(self, address: SentinelAddress) -> None:
        self._address = address
        self._question: asyncio.Task[tuple[str, int]] | None = None

    async def discover_master(self, service: str) -> tuple[str, int]:
        """Returns host and port of the primary. Callers during one question share its answer.

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
        """Returns what one Sentinel knows of the primary. Raises redis.exceptions.RedisError."""
        limits = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
        # Without redis-py's CLIENT SETINFO, for which a Sentinel's user needs a permission.
        options: dict[str, Any] = {**self._address.sentinel, **limits, "lib_name": None, "lib_version": None}
        async with Redis(host=host, port=port, **options) as client:
            ask: Any = client.sentinel_master
            state: Mapping[str, Any] = await ask(service)
            return state


def _seen(question: asyncio.Task[tuple[str, int]]) -> None:
    """Takes a question's error, which asyncio would else log where every caller has gone."""
    if not question.cancelled():
        question.exception()


def newest(states: Iterable[Mapping[str, Any]]) -> tuple[str, int] | None:
    """Returns host and port of the primary by the newest of these answers; None where none has one that is up."""
    known = [
        (int(state["config-epoch"]), str(state["ip"]), int(state["port"]))
        for state in states
        if state["is_master"] and not state["is_sdown"] and not state["is_odown"]
    ]
    return max(known)[1:] if known else None


class SentinelPool(SentinelConnectionPool, BoundedPool):
    """redis-py's pool for Sentinels, with our bound; it closes connections that lead to a former primary."""

    watch_interval_s = 1.0
    """Seconds between two questions while there are connections: a frozen primary that wakes after another has taken
    its place takes writes until a Sentinel demotes it, and these are lost."""

    def __init__(self, sentinels: Sentinels, service: str, primary: Primary, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self._primary = primary
        self._watching: asyncio.Task[None] | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Returns the address of the primary; where it has moved, closes connections that lead elsewhere.

        Raises redis.exceptions.RedisError.
        """
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(_watch(ref(self), self.watch_interval_s))
        address: tuple[str, int] = await self.sentinel_manager.discover_master(self.service_name)
        if address != self.master_address:
            self.master_address = address
            self._primary.is_at(address)
        return address

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes all connections, and ends the regular questions to the Sentinels."""
        if self._watching is not None:
            self._watching.cancel()
        await super().disconnect(inuse_connections)


async def _watch(pool: ref[SentinelPool], interval_s: float) -> None:
    """Asks where the primary is again and again, while the pool exists: with quiet connections nobody else would."""
    while True:
        await asyncio.sleep(interval_s * random.uniform(0.8, 1.2))
        if (watched := pool()) is None:
            return
        with suppress(RedisError, OSError):
            await watched.get_master_address()
        del watched
