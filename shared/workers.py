"""Workers: which of them are alive, so that the API and `midstream doctor` can say when none is."""

from __future__ import annotations

from redis.asyncio import Redis

from shared.redis_client import read_clock
from shared.script import Script

WORKERS = "midstream:workers"
"""By name, until when (ms, Redis' clock) each counts as alive."""
BEATS = 3
"""Beats in the time for which one counts."""


class Workers:
    """On the queue's Redis. Methods raise redis.exceptions.RedisError."""

    _beat = Script("worker_beat")

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def beat(self, name: str, seconds: float) -> None:
        """Say that a worker is alive, for so many seconds."""
        await self._beat(self._redis, [WORKERS], [name, int(seconds * 1000)])

    async def leave(self, name: str) -> None:
        """Say that it is about to end."""
        await self._beat(self._redis, [WORKERS], [name, ""])

    async def alive(self) -> int:
        """How many are."""
        now_ms, _ = await read_clock(self._redis)
        return int(await self._redis.zcount(WORKERS, f"({now_ms}", "+inf"))
