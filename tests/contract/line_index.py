"""Whether the indexes of the lines say what the queue does, and an earlier version that changes the queue alone."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from shared.storage.clock import read_clock
from shared.storage.keys import (
    LEASED_KEY,
    LEASES_KEY,
    LINE_OWNERS_KEY,
    LINES_KEY,
    PENDING_KEY,
    QUEUE_KEY,
    line_key,
    running_key,
)


async def names(redis: Any, key: str) -> list[str]:
    """The members of a sorted set, in order."""
    return [member.decode() for member in await redis.zrange(key, 0, -1)]


async def flaws(redis: Any) -> list[str]:
    """What is wrong with the indexes, in words; empty where they say what the queue and its leases say."""
    queue = dict(await redis.zrange(QUEUE_KEY, 0, -1, withscores=True))
    leases = await redis.hgetall(LEASES_KEY)
    owners = await redis.hgetall(LINE_OWNERS_KEY)
    waiting, running = set(queue) - set(leases), set(queue) & set(leases)
    found = []
    if set(owners) != set(queue):
        found.append(f"owners of {sorted(owners)} and not of {sorted(queue)}")
    if dict(await redis.zrange(LEASED_KEY, 0, -1, withscores=True)) != {i: queue[i] for i in running}:
        found.append("leased is not what runs")
    has_line = {owners[i].decode() for i in waiting if i in owners}
    if set(await names(redis, LINES_KEY)) != has_line:
        found.append(f"lines of {await names(redis, LINES_KEY)} and not of {sorted(has_line)}")
    for owner in {owner.decode() for owner in owners.values()}:
        of_it = {i for i in owners if owners[i].decode() == owner}
        if {i.encode() for i in await names(redis, line_key(owner))} != waiting & of_it:
            found.append(f"the line of {owner} is not what waits")
        if await redis.smembers(running_key(owner)) != running & of_it:
            found.append(f"what runs of {owner} is not what is leased")
    left = {*await redis.keys(line_key("*")), *await redis.keys(running_key("*"))}
    known = {key(owner.decode()).encode() for owner in owners.values() for key in (line_key, running_key)}
    if left - known:
        found.append(f"{left - known} is nobody's")
    return found


class EarlierVersion:
    """An API and a worker of 2.x as the queue saw them: one queue for all, and no lines."""

    def __init__(self, redis: Redis, lease_ms: int) -> None:
        self._redis: Any = redis
        self._lease_ms = lease_ms

    async def enqueue(self, job: str) -> None:
        """Puts a job behind all others."""
        now_ms, _ = await read_clock(self._redis)
        await self._redis.zadd(PENDING_KEY, {job: now_ms}, nx=True)
        await self._redis.zadd(QUEUE_KEY, {job: now_ms}, nx=True)

    async def take(self, worker: str) -> str | None:
        """Leases the oldest that is visible."""
        now_ms, _ = await read_clock(self._redis)
        visible = await self._redis.zrangebyscore(QUEUE_KEY, "-inf", now_ms, start=0, num=1)
        if not visible:
            return None
        await self._redis.zadd(QUEUE_KEY, {visible[0]: now_ms + self._lease_ms}, xx=True)
        await self._redis.hset(LEASES_KEY, visible[0], worker)
        return str(visible[0].decode())

    async def renew(self, job: str) -> None:
        """Moves a lease ahead."""
        now_ms, _ = await read_clock(self._redis)
        await self._redis.zadd(QUEUE_KEY, {job: now_ms + self._lease_ms})

    async def give_back(self, job: str) -> None:
        """Lets the next have it."""
        now_ms, _ = await read_clock(self._redis)
        await self._redis.hdel(LEASES_KEY, job)
        await self._redis.zadd(QUEUE_KEY, {job: now_ms}, xx=True)

    async def finish(self, job: str) -> None:
        """Ends a job."""
        await self._redis.hdel(LEASES_KEY, job)
        await self._redis.zrem(QUEUE_KEY, job)
