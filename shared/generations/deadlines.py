"""Deadlines of what waits: a generation that no worker runs ends when its time is over, also while no worker is alive.

What runs is its worker's to end. The index has those that gave a deadline of their own; for all others the setting
counts, from when they were announced.
"""

import math
from collections.abc import Sequence

from shared.generations.generations import Generations
from shared.log.events import Cancelled, Failed, encode
from shared.record import Record
from shared.storage.clock import read_server
from shared.storage.keys import DEADLINES_KEY, LEASES_KEY, PENDING_KEY, QUEUE_KEY, GenerationKeys
from shared.storage.lua_script import LuaScript

DUE_PAGE = 100
MAX_DUE_PAGES = 10
"""Pages that one look at what is due takes; the next look goes on."""
DEADLINE_END = Failed(
    code="deadline_exceeded", message="No worker ran the generation to its end within its deadline.", retryable=False
)


class Deadlines:
    """Notes deadlines, and ends what is past them. Methods raise redis.exceptions.RedisError."""

    _expire = LuaScript("shared/generations/expire.lua")

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._queue = generations.queue
        self._default_ms = int(generations.settings.deadline * 1000)
        self._looked: tuple[float, int] = -math.inf, 0
        """The age (ms) at which the next look goes on, and how many of that one have been looked at."""

    async def note(self, generation_id: str, seconds: float) -> bool:
        """Notes a generation's own deadline, before it is accepted; returns False where it has one already."""
        now_ms, _ = await self._queue.clock()
        due_ms = now_ms + int(seconds * 1000)
        return bool(await self._queue.redis.zadd(DEADLINES_KEY, {generation_id: due_ms}, nx=True))

    async def due_ms(self, record: Record) -> int:
        """Returns when a generation ends at the latest, on Redis' clock: by its own deadline, else by the setting's."""
        own = await self._queue.redis.zscore(DEADLINES_KEY, record.id)
        return record.created_ms + self._default_ms if own is None else int(own)

    async def forget(self, generation_ids: Sequence[str]) -> None:
        """Removes the deadlines of generations that have ended, or were not accepted."""
        if generation_ids:
            await self._queue.redis.zrem(DEADLINES_KEY, *generation_ids)

    async def keep(self) -> list[str]:
        """Ends generations that are due and that no worker runs; returns their ids."""
        servers = await read_server(self._generations.redis), await self._queue.server()
        if any(server.young(self._queue.durability.restored_ms) for server in servers):
            return []  # what looks as if it waited may be running, on a worker that is about to write that again
        now_ms = servers[1].now_ms
        return await self._keep_own(now_ms) + await self._keep_others(now_ms)

    async def _keep_own(self, now_ms: int) -> list[str]:
        ended: list[str] = []
        offset = 0
        for _ in range(MAX_DUE_PAGES):
            raw = await self._queue.redis.zrangebyscore(DEADLINES_KEY, "-inf", now_ms, start=offset, num=DUE_PAGE)
            sealed, over = await self._end([i.decode() for i in raw], now_ms)
            ended += sealed
            await self.forget(over)
            offset += len(raw) - len(over)
            if len(raw) < DUE_PAGE:
                break
        return ended

    async def _keep_others(self, now_ms: int) -> list[str]:
        """Ends those that are older than the setting allows and have no deadline of their own; returns their ids.

        One that has ended stays pending until a worker has counted it, so each look goes on behind the last one.
        """
        redis = self._queue.redis
        ended: list[str] = []
        for _ in range(MAX_DUE_PAGES):
            since, behind = self._looked
            raw = await redis.zrangebyscore(
                PENDING_KEY, since, now_ms - self._default_ms, start=behind, num=DUE_PAGE, withscores=True
            )
            ids = [i for i, _ in raw]
            own = await redis.zmscore(DEADLINES_KEY, ids) if ids else []
            sealed, _ = await self._end([i.decode() for i, due in zip(ids, own, strict=True) if due is None], now_ms)
            ended += sealed
            if len(raw) < DUE_PAGE:
                self._looked = -math.inf, 0
                break
            last = raw[-1][1]
            self._looked = last, sum(ms == last for _, ms in raw) + (behind if last == since else 0)
        return ended

    async def _end(self, generation_ids: Sequence[str], now_ms: int) -> tuple[list[str], list[str]]:
        """Seals those that no worker runs; returns these, and all of the given that are over, however they ended."""
        if not generation_ids:
            return [], []
        # The token first: who takes the job after we looked at the queue has another one.
        async with self._generations.redis.pipeline(transaction=False) as pipe:
            for generation_id in generation_ids:
                pipe.hmget(GenerationKeys(generation_id).record, ["token", "seal", "attempts"])
            records = await pipe.execute()
        leased = await self._leased(generation_ids, now_ms)
        sealed: list[str] = []
        never_run: list[str] = []
        over: list[str] = []
        for generation_id, (token, seal, attempts) in zip(generation_ids, records, strict=True):
            if token is None or seal is not None:
                over.append(generation_id)
            elif generation_id not in leased:
                keys = GenerationKeys(generation_id)
                raw = await self._expire(
                    self._generations.redis,
                    [keys.record, keys.log, keys.tombstone],
                    [encode(DEADLINE_END), encode(Cancelled()), token],
                )
                if raw[0] == b"ENDED":
                    sealed.append(generation_id)
                    over.append(generation_id)
                    if attempts == b"0":
                        never_run.append(generation_id)
        await self._generations.leave_line(never_run)
        return sealed, over

    async def _leased(self, generation_ids: Sequence[str], now_ms: int) -> set[str]:
        """Returns those that a worker holds by its lease."""
        async with self._queue.redis.pipeline(transaction=False) as pipe:
            pipe.zmscore(QUEUE_KEY, list(generation_ids))
            pipe.hmget(LEASES_KEY, list(generation_ids))
            scores, holders = await pipe.execute()
        return {
            generation_id
            for generation_id, score, holder in zip(generation_ids, scores, holders, strict=True)
            if score is not None and score > now_ms and holder
        }
