"""Notes of when generations are due that nobody may watch: taken without waiting, written in the queue's Redis."""

import asyncio
from itertools import islice

from redis.exceptions import RedisError

from api.supervisor import logger
from shared.backoff import Backoff
from shared.generations.unwatched import Unwatched
from shared.storage.outage import level

MAX_WAITING = 20_000
"""Notes that wait to be written; past it the oldest are forgotten: what they are about is looked at when it was due."""
PAGE = 200
"""Notes that are written in one round trip."""


class PutOffs:
    """Notes that wait to be written, the newest of each generation. `run` is its one task."""

    def __init__(self, unwatched: Unwatched) -> None:
        self._unwatched = unwatched
        self._waiting: dict[str, int] = {}
        self._filled = asyncio.Event()

    def put(self, generation_id: str, ahead_ms: int) -> None:
        """Takes a note over: for so many ms, nobody needs to watch it. Returns at once."""
        self._waiting.pop(generation_id, None)
        self._waiting[generation_id] = ahead_ms
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._filled.set()

    async def run(self) -> None:
        """Writes what waits, until cancelled."""
        backoff = Backoff()
        while True:
            await self._filled.wait()
            try:
                await self.flush()
                backoff.reset()
            except RedisError as error:
                logger.log(level(error), "what is unwatched is not noted (%s)", type(error).__name__)
                await backoff.wait()

    async def flush(self) -> None:
        """Writes all that waits. Raises redis.exceptions.RedisError."""
        while self._waiting:
            page = dict(islice(self._waiting.items(), PAGE))
            await self._unwatched.put_off(page)
            for generation_id, ahead_ms in page.items():
                if self._waiting.get(generation_id) == ahead_ms:  # and not a newer one
                    del self._waiting[generation_id]
        self._filled.clear()
