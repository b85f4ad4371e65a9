"""Places at providers that have a bound of calls (`max_concurrent`), shared by all workers, so that none is flooded.

A place is leased: its worker renews it while the call goes on, and one of a worker that died is free after a lease. Who
waits stands in its worker's line, in order. Only the first of each line asks Redis, and of these the one that has
waited longest is let in: however many wait, Redis is asked by one of each worker.
"""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.config.provider_settings import ProviderSettings
from shared.storage.keys import provider_key, provider_waiting_key
from shared.storage.lua_script import LuaScript
from shared.storage.outage import level

logger = logging.getLogger("midstream.worker")

ASK_S = 0.1
"""Seconds after which the first in a line asks again, unless a call of its own worker ends before."""
ANSWER_TIMEOUT_S = 0.5
"""Seconds in which the queue's Redis has to answer: a call waits for it, and it may be frozen."""
ALONE_S = 2.0
"""Seconds for which Redis is not asked after it has not answered; each worker keeps to the bound by itself then."""
RENEWALS_PER_LEASE = 3


@dataclass(slots=True)
class _Line:
    """One provider's calls in this worker."""

    keys: list[str]
    most: int
    front: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the first of who waits; the others stand behind it, in order."""
    calls: set[str] = field(default_factory=set)
    """Tokens of those that have a place."""
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when one of them has given it up."""


class ProviderPlaces:
    """The places of this worker's calls. `run` renews them, and never ends where a provider has a bound."""

    _enter = LuaScript("worker/running/provider_enter.lua")
    _renew = LuaScript("worker/running/provider_renew.lua")

    def __init__(self, redis: Redis, endpoints: Mapping[str, ProviderSettings], lease: float) -> None:
        self._redis = redis
        self._lease_ms = int(lease * 1000)
        self._name = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._lines = {
            name: _Line([provider_key(name), provider_waiting_key(name)], entry.max_concurrent)
            for name, entry in endpoints.items()
            if entry.max_concurrent is not None
        }
        self._alone_until = 0.0
        self._leaving: set[asyncio.Task[None]] = set()

    def place(self, provider: str) -> AbstractAsyncContextManager[None]:
        """Returns a block that is entered once the provider may be called, and in which it is; at once without a bound.

        A generation that is cancelled or reaches its deadline stops waiting. Redis' errors do not come out of it.
        """
        line = self._lines.get(provider)
        return nullcontext() if line is None else self._place(line)

    @asynccontextmanager
    async def _place(self, line: _Line) -> AsyncIterator[None]:
        token, since = f"{self._name}/{next(self._numbers)}", time.monotonic()
        try:
            async with line.front:
                while not await self._has_place(line, token, since):
                    await _freed(line)
                line.calls.add(token)
            yield
        finally:
            line.calls.discard(token)
            self._leave(line, token)

    async def _has_place(self, line: _Line, token: str, since: float) -> bool:
        line.freed.clear()
        if time.monotonic() >= self._alone_until:
            waited_ms = int((time.monotonic() - since) * 1000)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return bool(
                        await self._enter(self._redis, line.keys, [token, line.most, self._lease_ms, waited_ms])
                    )
            except (RedisError, TimeoutError) as error:
                logger.log(level(error), "providers' places not asked for (%s)", type(error).__name__)
                self._alone_until = time.monotonic() + ALONE_S
        return len(line.calls) < line.most

    def _leave(self, line: _Line, token: str) -> None:
        """Gives a place up, beside the end of the answer; one that cannot be is free after a lease."""
        task = asyncio.create_task(self._forget(line, [token]))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _forget(self, line: _Line, tokens: list[str]) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipe:
                for key in line.keys:
                    pipe.zrem(key, *tokens)
                await pipe.execute()
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "providers' places not given up (%s)", type(error).__name__)
        line.freed.set()

    async def run(self) -> None:
        """Renews the places of calls that go on."""
        while self._lines:
            await asyncio.sleep(self._lease_ms / 1000 / RENEWALS_PER_LEASE)
            for line in self._lines.values():
                if line.calls:
                    await self._renew_all(line)

    async def _renew_all(self, line: _Line) -> None:
        tokens = list(line.calls)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._renew(self._redis, line.keys, [self._lease_ms, *tokens])
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "providers' places not renewed (%s)", type(error).__name__)
        if ended := [token for token in tokens if token not in line.calls]:
            await self._forget(line, ended)  # Redis may have renewed them after they were given up

    async def left(self) -> None:
        """Waits until what was given up is known to be."""
        while self._leaving:
            await asyncio.wait(self._leaving)


async def _freed(line: _Line) -> None:
    """Waits until a call of this worker has ended, or it is time to ask whether one of another has."""
    try:
        async with asyncio.timeout(ASK_S):
            await line.freed.wait()
    except TimeoutError:
        pass
