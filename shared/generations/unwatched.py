"""Generations that are cancelled when nobody has watched them for as long as their request says (`on_unwatched`).

The record has the wish. The index says when each is to be looked at: API nodes put that off as viewers come and go, and
what decides is how many they have counted (`viewer_counts`). Time counts only while both Redis answer and keep what
they were told, as nobody can be counted else.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from shared.generations.generations import Generations
from shared.generations.viewer_counts import OtherNodes, ViewerCounts
from shared.storage.clock import ServerClock, read_server
from shared.storage.keys import UNWATCHED_KEY, GenerationKeys

LIFE_S = 15.0
"""Seconds for which a node's count of a generation's viewers counts: a node that has died has none any more."""
LATE_MS = 1500
"""ms by which the count of who has just come may be late."""
DUE_PAGE = 100
MAX_DUE_PAGES = 10
"""Pages that one look at what is due takes; the next look goes on."""
HALF_ACCEPTED_MS = 60_000
"""ms past its time after which an entry without a record is dropped: it was noted first, and never accepted."""
LONGEST_LOOK_S = 2.0
"""Seconds from one answer to the next after which it is not known what has become of the counts between them."""


class _Due(NamedTuple):
    """A generation that is due, and what Redis has of it."""

    id: str
    due_ms: int
    there: bool
    over: bool
    after_ms: int | None
    watched: OtherNodes


class Unwatched:
    """Notes when generations are due, and cancels those that nobody watches. Methods raise redis.exceptions.RedisError.

    Each process that may call `keep` calls `look` all the time: only who has looked knows of an outage.
    """

    def __init__(self, generations: Generations, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._generations = generations
        self._queue = generations.queue
        self._clock = clock
        self.counts = ViewerCounts(generations.redis, LIFE_S)
        self._began = clock()
        self._looked: float | None = None
        self._back: float | None = None
        """When Redis answered again, of the last outage that was seen."""

    async def put_off(self, ahead_ms: Mapping[str, int]) -> None:
        """Notes for each generation for how many ms from now nobody needs to watch it."""
        await self._queue.indexes.put_off_unwatched({i: ms + LATE_MS for i, ms in ahead_ms.items()})

    async def forget(self, generation_ids: Sequence[str]) -> None:
        """Forgets generations that have ended, or were not accepted."""
        if generation_ids:
            await self._queue.redis.zrem(UNWATCHED_KEY, *generation_ids)

    async def look(self) -> tuple[ServerClock, ServerClock]:
        """Looks at both Redis, and notes where they have not answered for too long. Returns what they say."""
        began = self._clock()
        servers = await read_server(self._generations.redis), await self._queue.server()
        now = self._clock()
        long = self._looked is not None and now - self._looked > self.counts.life_s / 3
        if long or now - began > LONGEST_LOOK_S:
            self._back = now
        self._looked = now
        return servers

    async def keep(self) -> list[str]:
        """Cancels what is due and not watched; returns the ids."""
        log_server, queue_server = await self.look()
        began, cancelled, offset = self._clock(), list[str](), 0
        for _ in range(MAX_DUE_PAGES):
            raw = await self._queue.redis.zrangebyscore(
                UNWATCHED_KEY, "-inf", queue_server.now_ms, start=offset, num=DUE_PAGE, withscores=True
            )
            due = await self._read([(i.decode(), int(score)) for i, score in raw])
            if self._clock() - began > LONGEST_LOOK_S:
                break  # Redis may have stood still, and who watches be about to say so
            over, ahead = [], {}
            for one in due:
                if one.over or (not one.there and queue_server.now_ms - one.due_ms > HALF_ACCEPTED_MS):
                    over.append(one.id)
                elif one.there and one.after_ms is not None:
                    ahead[one.id] = self._wait_ms(one, one.after_ms, (log_server, queue_server))
            for generation_id in [i for i, ms in ahead.items() if not ms]:
                await self._generations.cancel(generation_id)
                cancelled.append(generation_id)
                # Until it has its end: a Redis that comes back older may have lost the cancel.
                ahead[generation_id] = 2 * self._queue.lease_ms
            await self.forget(over)
            if ahead:
                await self._queue.indexes.put_off_unwatched(ahead)
            offset += len(raw) - len(over) - len(ahead)
            if len(raw) < DUE_PAGE:
                break
        return cancelled

    def _wait_ms(self, due: _Due, after_ms: int, servers: Sequence[ServerClock]) -> int:
        """Returns for how many ms nobody needs to watch it from now; 0 where it is to be cancelled."""
        if due.watched.viewers:
            return due.watched.left_ms + after_ms
        now, life_ms = self._clock(), round(self.counts.life_s * 1000)
        # Who watches says so within a life, from when both Redis and this process are there.
        back_ms = sys.maxsize if self._back is None else (now - self._back) * 1000
        quiet_ms = min(back_ms, *(server.up_ms for server in servers))
        left_ms = max(max(after_ms, life_ms) - quiet_ms, life_ms - (now - self._began) * 1000)
        return max(0, round(left_ms))

    async def _read(self, due: Sequence[tuple[str, int]]) -> list[_Due]:
        if not due:
            return []
        async with self._generations.redis.pipeline(transaction=False) as pipe:
            for generation_id, _ in due:
                pipe.hmget(GenerationKeys(generation_id).record, ["token", "seal", "unwatched"])
            records = await pipe.execute()
        watched = await self.counts.look([GenerationKeys(i).viewers for i, _ in due])
        return [
            _Due(
                generation_id, due_ms, token is not None,
                seal is not None or (token is not None and after is None),
                None if after is None else int(after), viewers,
            )
            for (generation_id, due_ms), (token, seal, after), viewers in zip(due, records, watched, strict=True)
        ]  # fmt: skip
