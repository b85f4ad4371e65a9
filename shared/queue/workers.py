"""Workers: which of them are alive, so that the API and `midstream doctor` can say when none is."""

from redis.asyncio import Redis

from shared.storage.clock import read_clock
from shared.storage.keys import WORKERS_KEY
from shared.storage.lua_script import LuaScript

BEATS_PER_LIFE = 3
"""Beats that a worker sends in the time for which one counts."""
MAX_BEAT_S = 120.0
"""Seconds that a beat counts for at most, unless leases are longer: one further ahead is from before Redis' clock was
set back."""


class Workers:
    """The live workers, noted on the queue's Redis. Methods raise redis.exceptions.RedisError."""

    _beat = LuaScript("shared/queue/worker_beat.lua")

    def __init__(self, redis: Redis, lease: float = 0.0) -> None:
        self._redis = redis
        self._longest_ms = int(max(MAX_BEAT_S, 2 * lease) * 1000)

    async def beat(self, name: str, seconds: float) -> None:
        """Says that a worker is alive, for so many seconds."""
        await self._beat(self._redis, [WORKERS_KEY], [name, int(seconds * 1000), self._longest_ms])

    async def leave(self, name: str) -> None:
        """Says that a worker is about to end."""
        await self._beat(self._redis, [WORKERS_KEY], [name, "", self._longest_ms])

    async def alive(self) -> int:
        """Returns how many workers are alive."""
        now_ms, _ = await read_clock(self._redis)
        return int(await self._redis.zcount(WORKERS_KEY, f"({now_ms}", now_ms + self._longest_ms))
