"""Recovery: what a queue's Redis of its own has lost is found again in the log's Redis.

The record says that a generation was accepted, the queue that it waits or runs. A queue's Redis that comes back without
its last second may have lost an entry of which nobody knows any more, as the API node that accepted it and the worker
that ran it may be gone too. So all records are looked at once after each start of either Redis.
"""

from collections.abc import Sequence

from shared.generations.generations import Generations
from shared.storage.keys import RECOVERY_KEY, GenerationKeys

KEYS_PER_SCAN = 1000
KEYS_PER_PASS = 100_000
DONE_MARK = "done"


class Recovery:
    """Looks through all records now and then, one worker at a time, where the queue has a Redis of its own."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._prefix, self._suffix = GenerationKeys("*").record.split("*")

    async def go_on(self, starts: str) -> int:
        """Looks at the next stretch of records, unless all have been looked at, and enqueues what nobody had.

        `starts` names this run of the log's Redis and of the queue's. Returns how many were enqueued. Raises
        redis.exceptions.RedisError.
        """
        redis = self._generations.queue.redis
        of, _, place = (await redis.get(RECOVERY_KEY) or b"").decode().rpartition(" ")
        if of == starts and place == DONE_MARK:
            return 0
        # A cursor means something to the run of Redis that gave it.
        cursor = int(place) if of == starts else 0
        enqueued = 0
        for _ in range(KEYS_PER_PASS // KEYS_PER_SCAN):
            cursor, keys = await self._generations.redis.scan(
                cursor, match=GenerationKeys("*").record, count=KEYS_PER_SCAN
            )
            enqueued += await self._look_at(
                [key.decode().removeprefix(self._prefix).removesuffix(self._suffix) for key in keys]
            )
            if cursor == 0:
                break
        await redis.set(RECOVERY_KEY, f"{starts} {cursor or DONE_MARK}")
        return enqueued

    async def _look_at(self, generation_ids: Sequence[str]) -> int:
        ends = await self._generations.ends(generation_ids)
        going_on = [i for i, end in zip(generation_ids, ends, strict=True) if end in (None, "cancel")]
        records = [record for record in await self._generations.records(going_on) if record is not None]
        lacks = await self._generations.queue.indexes.lacks([(record.id, record.owner) for record in records])
        enqueued = 0
        for record, lack in zip(records, lacks, strict=True):
            if any(lack):
                # One after the other: a request may be 8 MB.
                found = await self._generations.find(record.id, request=True)
                if found.record is not None:
                    lost = found.record.accepted(found.request, found.asked)
                    enqueued += len(await self._generations.accept_again([lost]))
        return enqueued
