"""The end of what nobody watches: API nodes look for it, one of them at a time."""

import asyncio
import random

from redis.exceptions import RedisError

from api.supervisor import logger
from shared.generations.unwatched import Unwatched
from shared.queue.queue import Queue

LOOK_INTERVAL_S = 1.0
"""Seconds between two looks, of all nodes together."""


class UnwatchedEnds:
    """Cancels generations that nobody watches. `run` is its one task."""

    def __init__(self, unwatched: Unwatched, queue: Queue) -> None:
        self._unwatched, self._queue = unwatched, queue

    async def run(self) -> None:
        """Looks once in each interval, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S * random.uniform(0.8, 1.2))
            try:
                # Whoever cancels has looked at both Redis all the time, and knows of an outage.
                await self._unwatched.look()
                if await self._queue.alone("unwatched", LOOK_INTERVAL_S * 0.7):
                    for generation_id in await self._unwatched.keep():
                        logger.info("%s is cancelled, as nobody has watched it", generation_id)
            except RedisError as error:
                logger.debug("what is unwatched not looked at (%s)", type(error).__name__)
