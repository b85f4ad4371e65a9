"""The cancel listener: stops generations that are cancelled or deleted, even while their provider is silent."""

import logging
import time

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.generations.generations import Generations
from shared.storage.keys import INTERRUPTS_CHANNEL
from shared.storage.outage import level
from worker.running.running_generations import RunningGenerations

logger = logging.getLogger("midstream.worker")

QUIET_S = 1.0
"""Seconds without an append after which the record is looked at; an append's reply says it by itself."""


class CancelListener:
    """Listens on the interrupts channel, and looks at the records of what is quiet. `run` is its one task."""

    def __init__(self, redis: Redis, generations: Generations, generator: RunningGenerations) -> None:
        self.redis = redis
        self.generations = generations
        self.generator = generator

    async def run(self) -> None:
        """Stops what was ended, until cancelled; makes a lost connection again."""
        backoff = Backoff(first=0.1, cap=1.0)
        looked = time.monotonic()
        while True:
            try:
                async with self.redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(INTERRUPTS_CHANNEL)
                    while True:
                        message = await channel.get_message(timeout=QUIET_S)
                        backoff.reset()
                        named = [message["data"].decode()] if message else []
                        # Also where others are cancelled all the time: what was not heard must not wait for silence.
                        if message is None or time.monotonic() - looked >= QUIET_S:
                            named += self._quiet()
                            looked = time.monotonic()
                        await self._look_at(named)
            except (RedisError, OSError) as error:
                logger.log(level(error), "interrupts not heard (%s)", type(error).__name__)
                await backoff.wait()

    def _quiet(self) -> list[str]:
        now = time.monotonic()
        return [
            run.record.id
            for run in self.generator.running.values()
            if run.writer is None or run.writer.cancel_requested or now - run.writer.appended_at > QUIET_S
        ]

    async def _look_at(self, generation_ids: list[str]) -> None:
        running = [generation_id for generation_id in generation_ids if generation_id in self.generator.running]
        if not running:
            return
        for generation_id, end in zip(running, await self.generations.ends(running), strict=True):
            run = self.generator.running.get(generation_id)
            if run is None or end is None:
                continue
            if end == "lost" and run.writer is not None:
                run.writer.recheck()  # the next append finds it gone, and restores it
            else:
                run.stop("cancel" if end == "cancel" else "gone")
