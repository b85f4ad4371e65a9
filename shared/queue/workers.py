"""Workers: which of them are alive, so that the API and `midstream doctor` can say when none is."""

from typing import Any

from redis.asyncio import Redis

from shared.queue.lines import LINE_KEYS
from shared.storage.clock import read_clock
from shared.storage.keys import LEASES_KEY, PLACES_KEY, WORKERS_KEY
from shared.storage.lua_script import LuaScript

BEAT_S = 1.0
"""Seconds at least between two times that a worker says that it is alive."""
BEATS_PER_LIFE = 3
"""Beats that a worker sends in the time for which one counts."""
MAX_BEAT_S = 120.0
"""Seconds that a beat counts for at most, unless leases are longer: one further ahead is from before Redis' clock was
set back."""


def beats_each(lease: float) -> float:
    """Returns the seconds between two times that a worker with this lease says that it is alive."""
    return max(lease / BEATS_PER_LIFE, BEAT_S)


def counts_for(lease: float) -> float:
    """Returns the seconds for which such a worker counts as alive after it has said so."""
    return max(lease, BEAT_S * BEATS_PER_LIFE)


def longest_life(lease: float) -> float:
    """Returns the seconds for which one may count at most."""
    return max(MAX_BEAT_S, 2 * lease)


class Workers:
    """The live workers, noted on the queue's Redis. Methods raise redis.exceptions.RedisError."""

    _beat = LuaScript("shared/queue/worker_beat.lua")

    def __init__(self, redis: Redis, lease: float = 0.0) -> None:
        self._redis = redis
        self._longest_ms = int(longest_life(lease) * 1000)

    async def beat(self, name: str, seconds: float, places: int = 0) -> None:
        """Says that a worker is alive, for so many seconds, and how many generations it runs at a time."""
        await self._say(name, int(seconds * 1000), places)

    async def leave(self, name: str) -> None:
        """Says that a worker is about to end."""
        await self._say(name, "", 0)

    async def _say(self, name: str, counts_ms: int | str, places: int) -> None:
        keys = [*LINE_KEYS, WORKERS_KEY, PLACES_KEY]
        await self._beat(self._redis, keys, [name, counts_ms, self._longest_ms, places])

    async def places(self) -> int:
        """Returns how many generations the live workers run at a time, as far as they have said so."""
        read: Any = self._redis.hget  # typed for a client that does not await too
        return int(await read(PLACES_KEY, "") or 0)

    async def alive(self) -> int:
        """Returns how many workers are alive."""
        now_ms, _ = await read_clock(self._redis)
        return int(await self._redis.zcount(WORKERS_KEY, f"({now_ms}", now_ms + self._longest_ms))

    async def busy(self) -> list[str]:
        """Returns the workers that run something, each by its name as often as it does."""
        read: Any = self._redis.hvals  # typed for a client that does not await too
        return [name.decode() for name in await read(LEASES_KEY)]
