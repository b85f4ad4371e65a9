"""The seeded schedule: which process, server or way is broken when, and how it is made whole again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

from tests.faults.history import Died, Fault, History
from tests.faults.proxy import Direction
from tests.faults.rig import Rig
from tests.processes import Process

SYNCED = 1.0
"""Seconds of writes at the end of the append-only file that a crash of the machine may take (AOF `everysec`)."""
SAMPLE = 0.05

WEIGHTS = {
    "worker_kill": 8,
    "worker_pause": 3,
    "worker_term": 2,
    "workers_all": 1,
    "api_kill": 2,
    "api_term": 2,
    "redis_kill": 3,
    "redis_pause": 2,
    "way_cut": 3,
    "way_reset": 3,
    "way_black_hole": 2,
    "way_slow": 1,
    "simulator_kill": 1,
}
"""Kinds of fault, and how often each is chosen."""


class Schedule:
    """Injects faults, each undone after a while, and several at a time where chance wants it so.

    `pace` is the mean seconds between two faults. With `cut_aof`, a killed Redis also loses up to 200 kB of what it
    wrote in its last second, as a machine that loses its power does.
    """

    def __init__(
        self, rig: Rig, history: History, seed: int, *, pace: float, lease: float, kinds: set[str], cut_aof: bool
    ) -> None:
        self.rig, self.history = rig, history
        self.counts: dict[str, int] = {}
        self._chance = random.Random(f"faults {seed}")
        self._pace, self._lease, self._cut_aof = pace, lease, cut_aof
        self._kinds = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
        self._busy: set[str] = set()
        self._undoing: set[asyncio.Task[None]] = set()
        self._written: deque[tuple[float, Path, int]] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Break things until `stop`, then make all of them whole."""
        watching = [asyncio.create_task(self._sample()), asyncio.create_task(self._supervise())]
        try:
            while not stop.is_set():
                await self._until(stop, self._chance.expovariate(1 / self._pace))
                if not stop.is_set():
                    self._strike(self._chance.choices(list(self._kinds), list(self._kinds.values()))[0])
                for task in [task for task in self._undoing if task.done()]:
                    self._undoing.discard(task)
                    task.result()
        finally:
            for task in watching:
                task.cancel()
            for result in await asyncio.gather(*self._undoing, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result

    async def _until(self, stop: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return

    def _strike(self, kind: str) -> None:
        family, _, act = kind.partition("_")
        # Drawn whether or not it can be done now, so that one seed gives one sequence on every machine.
        pick, length = self._chance.random(), self._chance.random()
        if family == "way":
            self._strike_way(act, pick, length)
        elif kind == "workers_all":
            for worker in self.rig.workers:
                self._on(worker.name, kind, self._kill(worker, kind, 0.2 + length))
        elif family in ("worker", "api"):
            processes: list[Process] = [*(self.rig.workers if family == "worker" else self.rig.apis)]
            process = processes[int(pick * len(processes))]
            strike = {"kill": self._kill, "pause": self._pause, "term": self._terminate}[act]
            self._on(process.name, kind, strike(process, kind, length))
        elif kind == "redis_kill":
            self._on("redis", kind, self._kill_redis(0.05 + length * self._lease))
        elif kind == "redis_pause":
            self._on("redis", kind, self._pause_redis(0.5 + length * 2 * self._lease))
        else:
            self._on("simulator", kind, self._kill_simulator())

    def _on(self, target: str, kind: str, strike: Coroutine[None, None, None]) -> None:
        """Do it, unless something else is being done to the same target."""
        if target in self._busy:
            strike.close()
            return
        self._busy.add(target)
        self.counts[kind] = self.counts.get(kind, 0) + 1

        async def do() -> None:
            try:
                await strike
            finally:
                self._busy.discard(target)

        self._undoing.add(asyncio.create_task(do()))

    def _begin(self, what: str, target: str, detail: str = "") -> Fault:
        return Fault(at=time.time(), what=what, target=target, detail=detail)

    def _over(self, fault: Fault) -> None:
        fault.until = time.time()
        self.history.add(fault)

    async def _kill(self, process: Process, what: str, length: float) -> None:
        fault = self._begin("worker_kill" if what == "workers_all" else what, process.name)
        await process.kill()
        await asyncio.sleep(length * 2)
        await process.start()
        self._over(fault)

    async def _terminate(self, process: Process, what: str, length: float) -> None:
        fault = self._begin(what, process.name)
        status = await process.stop()
        fault.detail = f"exit status {status}"
        await asyncio.sleep(length)
        await process.start()
        self._over(fault)

    async def _pause(self, process: Process, what: str, length: float) -> None:
        fault = self._begin(what, process.name)
        process.pause()
        await asyncio.sleep(2 * self._lease + length)
        process.resume()
        self._over(fault)

    async def _kill_redis(self, down: float) -> None:
        fault = self._begin("redis_kill", "redis")
        await self.rig.valkey.kill()
        if self._cut_aof:
            fault.detail = f"{self._cut(fault.at)} bytes cut off"
        await asyncio.sleep(down)
        await self.rig.valkey.start()
        self._over(fault)

    async def _pause_redis(self, length: float) -> None:
        fault = self._begin("redis_pause", "redis")
        os.kill(self.rig.valkey.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(length)
        finally:
            os.kill(self.rig.valkey.pid, signal.SIGCONT)
        self._over(fault)

    async def _kill_simulator(self) -> None:
        fault = self._begin("simulator_kill", "simulator")
        await self.rig.restart_simulator()
        self._over(fault)

    def _strike_way(self, act: str, pick: float, length: float) -> None:
        names = sorted(self.rig.proxies)
        name = names[int(pick * len(names))]
        proxy = self.rig.proxies[name]

        async def cut() -> None:
            proxy.cut()

        async def reset() -> None:
            proxy.reset()

        async def black_hole() -> None:
            proxy.black_hole(Direction.UP if length < 0.2 else Direction.DOWN if length < 0.4 else Direction.BOTH)
            await asyncio.sleep(1 + length * 3 * self._lease)
            proxy.restore()

        async def slow() -> None:
            proxy.delay = 0.02 + length * 0.2
            await asyncio.sleep(1 + length * 5)
            proxy.restore()

        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "cut": cut,
            "reset": reset,
            "black_hole": black_hole,
            "slow": slow,
        }

        async def strike() -> None:
            fault = self._begin(f"way_{act}", name)
            await acts[act]()
            self._over(fault)

        self._on(name, f"way_{act}", strike())

    async def _supervise(self) -> None:
        """Start again what ended by itself, as a supervisor would, and record that it did."""
        while True:
            for process in self.rig.processes:
                if process.name not in self._busy and not process.running:
                    self.history.add(Died(at=time.time(), process=process.name, status=process.popen.wait()))
                    self._on(process.name, "died", process.start())
            await asyncio.sleep(SAMPLE)

    async def _sample(self) -> None:
        """Know how long the append-only file was a moment ago."""
        while True:
            if path := self._append_only_file():
                self._written.append((time.time(), path, path.stat().st_size))
                while len(self._written) > 100:
                    self._written.popleft()
            await asyncio.sleep(SAMPLE)

    def _append_only_file(self) -> Path | None:
        files = self.rig.valkey.data_dir.glob("appendonlydir/*.incr.aof")
        return max(files, key=lambda path: int(path.name.split(".")[-3]), default=None)

    def _cut(self, killed_at: float) -> int:
        """Take 5 to 200 kB off the tail, and no more than the last second wrote; gives how many bytes."""
        path = self._append_only_file()
        synced = [size for at, file, size in self._written if file == path and at < killed_at - SYNCED]
        if path is None or not synced:
            return 0
        size = path.stat().st_size
        kept = max(size - self._chance.randint(5_000, 200_000), synced[-1])
        with path.open("r+b") as file:
            file.truncate(min(kept, size))
        return max(size - kept, 0)
