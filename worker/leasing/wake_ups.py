"""Wake-ups: how a worker learns of a job at once, by a blocking pop. They are hints: it looks at the queue anyway."""

import asyncio
import logging
import random
import time

from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.queue.queue import Queue
from shared.storage.outage import level, refusal

logger = logging.getLogger("midstream.worker")

LOOK_INTERVAL_S = 0.1
"""Seconds between two looks at the queue where no wake-up can come."""
LONGEST_RETRY_S = 10.0
"""Seconds at most before a pop that failed is tried again."""


class WakeUps:
    """Waits for wake-ups on a connection of its own, whose failures affect nobody else.

    A reply may be late by `late_s` seconds.
    """

    def __init__(self, queue: Queue, late_s: float, *, look_interval_s: float = LOOK_INTERVAL_S) -> None:
        self._queue = queue
        self._look_interval_s = look_interval_s
        self._late_s = late_s
        self._pop: asyncio.Task[bool] | None = None
        self._backoff = Backoff(first=look_interval_s, cap=LONGEST_RETRY_S)
        self._again = 0.0
        self.is_down = False
        """The last pop failed, or its reply is late: the queue has to be looked at without it."""
        self._is_logged = False

    async def wait(self, seconds: float) -> bool:
        """Waits for a wake-up, for so many seconds at most; while none can come, until the next look at the queue.

        Returns False where the connection has just broken: Redis may have restarted since the queue was looked at.
        """
        if self._pop is None:
            if time.monotonic() < self._again:
                await self._until_next_look()
                return True
            self._pop = asyncio.create_task(self._queue.wait(seconds))
        longest = self._look_interval_s if self.is_down else seconds + self._late_s
        done, _ = await asyncio.wait({self._pop}, timeout=longest)
        if not done:
            self.is_down = True
            return True
        pop, self._pop = self._pop, None
        error = pop.exception()
        if error is None:
            self.is_down = self._is_logged = False
            self._backoff.reset()
            return True
        if not isinstance(error, RedisError):
            raise error
        self.is_down = True
        self._again = time.monotonic() + next(self._backoff)
        if not self._is_logged:
            logger.log(level(error), "no wake-ups (%s), the queue is looked at without them", type(error).__name__)
        self._is_logged = True
        await self._until_next_look()
        return refusal(error) is not None

    async def close(self) -> None:
        """Stops waiting for wake-ups."""
        pop, self._pop = self._pop, None
        if pop is not None:
            pop.cancel()
            await asyncio.gather(pop, return_exceptions=True)

    async def _until_next_look(self) -> None:
        await asyncio.sleep(self._look_interval_s * random.uniform(1.0, 1.2))
