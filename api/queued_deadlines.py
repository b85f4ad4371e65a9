"""The deadlines of generations that wait for a worker; API nodes enforce them, and log once that no worker is alive."""

import asyncio
import random

from redis.exceptions import RedisError

from api.supervisor import logger
from shared.counted import counted
from shared.generations.deadlines import Deadlines
from shared.generations.generations import Generations
from shared.queue.queue import tell_other_lease
from shared.queue.workers import Workers
from shared.storage.clock import read_clock

LOOK_INTERVAL_S = 1.0
"""Seconds between two looks, of all nodes together."""
NO_WORKER_FOR_S = 10.0
"""Seconds without any worker before that is worth a line: one that starts, or is replaced, takes less."""


class QueuedDeadlines:
    """Ends what is due in the queue; one of all nodes looks at a time. `run` is its one task."""

    def __init__(
        self,
        generations: Generations,
        deadlines: Deadlines,
        workers: Workers,
        *,
        look_interval_s: float = LOOK_INTERVAL_S,
        no_worker_for_s: float = NO_WORKER_FOR_S,
    ) -> None:
        self._queue = generations.queue
        self._log_redis = generations.redis
        self._deadlines = deadlines
        self._workers = workers
        self._look_interval_s = look_interval_s
        self._no_worker_for_s = no_worker_for_s
        self._missed_since: float | None = None
        self._is_logged = False
        self._compared = False

    async def run(self) -> None:
        """Looks once in each interval, until cancelled."""
        loop = asyncio.get_running_loop()
        # A clock that was set just before this process came makes leases look as if they had run out.
        begins = loop.time() + self._queue.lease_ms / 1000
        while True:
            await asyncio.sleep(self._look_interval_s * random.uniform(0.8, 1.2))
            try:
                await self._compare_lease()
                # Whoever keeps deadlines has seen both clocks all the time, and knows when one was set.
                await read_clock(self._log_redis)
                if loop.time() > begins and await self._queue.alone("deadlines", self._look_interval_s * 0.7):
                    for generation_id in await self._deadlines.keep():
                        fields = {"fields": {"generation": generation_id, "code": "deadline_exceeded"}}
                        logger.warning(
                            "%s failed code=deadline_exceeded, as no worker ran it in time", generation_id, extra=fields
                        )
                self._tell(await self._workers.alive())
            except RedisError as error:
                logger.debug("deadlines not looked at (%s)", type(error).__name__)

    async def _compare_lease(self) -> None:
        if not self._compared:
            other_ms = await self._queue.compare_lease()
            self._compared = True
            if other_ms is not None:
                tell_other_lease(logger, self._queue.lease_ms / 1000, other_ms)

    def _tell(self, alive: int) -> None:
        now = asyncio.get_running_loop().time()
        if alive:
            if self._is_logged:
                logger.info("%s alive again", counted(alive, "worker is", "workers are"))
            self._missed_since, self._is_logged = None, False
            return
        self._missed_since = self._missed_since or now
        if not self._is_logged and now - self._missed_since > self._no_worker_for_s:
            self._is_logged = True
            logger.warning("no worker is alive: what is accepted waits until one is started, or its deadline is over")
