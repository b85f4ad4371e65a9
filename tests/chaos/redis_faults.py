"""What a schedule does to a run's Redis: each fault from its beginning until it is undone."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine

from tests.chaos.history import History
from tests.chaos.rig import Rig
from tests.harness.server import Server

OUTAGE = 66.0
"""Seconds of the shortest `redis_outage`: longer than the 60 s for which a process remembers anything."""
LONGEST_OUTAGE = 75.0
JUMP = 600
"""Seconds by which a clock jumps."""

Strike = Callable[[float], Coroutine[None, None, None]]


class RedisFaults:
    """Faults of the log's Redis and the queue's, by kind; each takes a number from 0 to 1: for how long.

    With `cut_aof`, a Redis that is killed also loses up to 200 kB of what it wrote in its last second, as a machine
    that loses its power does; the queue's and one that is away for long always do.
    """

    def __init__(self, rig: Rig, history: History, chance: random.Random, *, lease: float, cut_aof: bool) -> None:
        self.rig, self.history = rig, history
        self._chance, self._lease, self._cut_aof = chance, lease, cut_aof
        self.kinds: dict[str, Strike] = {
            "redis_kill": self._kill,
            "redis_pause": lambda length: self._pause("redis", 0.5 + length * 2 * lease),
            "redis_failover": self._fail_over,
            "redis_loading": self._load_slowly,
            "redis_misconf": self._without_disk,
            "redis_oom": self._without_memory,
            "redis_outage": self._away,
            "redis_clock": self._jump,
            "queue_kill": self._kill_queue,
            "queue_pause": lambda length: self._pause("queue", 2 + length * 3 * lease),
        }

    def look(self) -> None:
        """Note how long the append-only files are; to be called often."""
        for server in (self.rig.redis, self.rig.queue):
            if server is not None:
                server.tail.look()

    async def _kill(self, length: float) -> None:
        with self.history.fault("redis_kill", "redis") as fault:
            server = self.rig.redis
            fault.detail = await self._crash(server, cut=self._cut_aof)
            await asyncio.sleep(0.05 + length * self._lease)
            await server.start()

    async def _load_slowly(self, length: float) -> None:
        with self.history.fault("redis_loading", "redis") as fault:
            server = self.rig.redis
            fault.detail = await self._crash(server, cut=self._cut_aof)
            await server.start_slowly(1 + length * 2 * self._lease)

    async def _away(self, length: float) -> None:
        with self.history.fault("redis_outage", "redis") as fault:
            server = self.rig.redis
            fault.detail = await self._crash(server, cut=True)
            await asyncio.sleep(OUTAGE + length * (LONGEST_OUTAGE - OUTAGE))
            await server.start()

    async def _kill_queue(self, length: float) -> None:
        server = self.rig.queue
        assert server is not None
        with self.history.fault("queue_kill", "queue") as fault:
            fault.detail = await self._crash(server, cut=True)
            await asyncio.sleep(0.05 + length * self._lease)
            await server.start()

    async def _crash(self, server: Server, *, cut: bool) -> str:
        at = time.time()
        await server.kill()
        return f"{server.cut(at, self._chance)} bytes cut off" if cut else ""

    async def _pause(self, target: str, seconds: float) -> None:
        server = self.rig.redis if target == "redis" else self.rig.queue
        assert server is not None
        with self.history.fault(f"{target}_pause", target):
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                os.kill(server.pid, signal.SIGCONT)

    async def _fail_over(self, _: float) -> None:
        with self.history.fault("redis_failover", "redis") as fault:
            if not await self.rig.fail_over():
                fault.what = "redis_failover_refused"

    async def _without_disk(self, length: float) -> None:
        with self.history.fault("redis_misconf", "redis"):
            async with self.rig.redis.without_disk():
                await asyncio.sleep(0.5 + length * 4 * self._lease)

    async def _without_memory(self, length: float) -> None:
        with self.history.fault("redis_oom", "redis"):
            async with self.rig.redis.without_memory():
                await asyncio.sleep(0.5 + length * 3 * self._lease)

    async def _jump(self, length: float) -> None:
        """Of the log's Redis, the queue's or both, which never differ from this machine by more than one jump."""
        names = sorted(self.rig.clocks)
        chosen = names if length < 0.4 else [names[int(length * 1000) % len(names)]]
        for name in chosen:
            clock = self.rig.clocks[name]
            ahead = length * 10 % 1 < 0.5
            offset = 0 if clock.offset else JUMP if ahead else -JUMP
            with self.history.fault("redis_clock", name) as fault:
                clock.jump(offset)
                fault.offset = offset
                fault.detail = f"to {offset:+d} s"
