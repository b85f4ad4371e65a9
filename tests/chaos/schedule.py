"""The seeded schedule: which process, server or way is broken when, and how it is made whole again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine

from tests.chaos.history import Died, History
from tests.chaos.redis_faults import LONGEST_OUTAGE, RedisFaults
from tests.chaos.rig import Rig
from tests.harness.aof import SAMPLE
from tests.harness.processes import Process
from tests.harness.proxy import Direction

WEIGHTS = {
    "worker_kill": 8.0,
    "worker_pause": 3.0,
    "worker_term": 2.0,
    "workers_all": 1.0,
    "api_kill": 2.0,
    "api_term": 2.0,
    "redis_kill": 3.0,
    "redis_pause": 2.0,
    "redis_failover": 2.0,
    "redis_loading": 1.0,
    "redis_misconf": 1.0,
    "redis_oom": 1.0,
    "redis_outage": 0.3,
    "redis_clock": 2.0,
    "queue_kill": 2.0,
    "queue_pause": 1.0,
    "way_cut": 3.0,
    "way_reset": 3.0,
    "way_black_hole": 2.0,
    "way_slow": 1.0,
    "simulator_kill": 1.0,
}
"""Kinds of fault, and how often each is chosen."""
LONG = {"redis_outage": LONGEST_OUTAGE}
"""Kinds that are not begun in the last seconds of a run: so many, and a few in which all goes on."""
GOES_ON = 15.0


class Schedule:
    """Injects faults, each undone after a while, and several at a time where chance wants it so.

    `pace` is the mean seconds between two faults, `seconds` for how long there will be any. `cut_aof` is as RedisFaults
    has it.
    """

    def __init__(
        self,
        rig: Rig,
        history: History,
        seed: int,
        *,
        pace: float,
        lease: float,
        kinds: set[str],
        cut_aof: bool,
        seconds: float,
    ) -> None:
        self.rig, self.history = rig, history
        self.counts: dict[str, int] = {}
        self._chance = random.Random(f"faults {seed}")
        self._pace, self._lease = pace, lease
        self._seconds, self._over_at = seconds, 0.0
        self._redis = RedisFaults(rig, history, self._chance, lease=lease, cut_aof=cut_aof)
        self._kinds = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
        self._busy: set[str] = set()
        self._undoing: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Break things until `stop`, then make all of them whole."""
        self._over_at = time.monotonic() + self._seconds
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
        if kind in LONG and self._over_at - time.monotonic() < LONG[kind] + GOES_ON:
            return
        if family == "way":
            self._strike_way(act, pick, length)
        elif kind in self._redis.kinds:
            self._on(family, kind, self._redis.kinds[kind](length))
        elif kind == "workers_all":
            for worker in self.rig.workers:
                self._on(worker.name, kind, self._kill(worker, kind, 0.2 + length))
        elif family in ("worker", "api"):
            processes: list[Process] = [*(self.rig.workers if family == "worker" else self.rig.apis)]
            process = processes[int(pick * len(processes))]
            strike = {"kill": self._kill, "pause": self._pause, "term": self._terminate}[act]
            self._on(process.name, kind, strike(process, kind, length))
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

    async def _kill(self, process: Process, what: str, length: float) -> None:
        with self.history.fault("worker_kill" if what == "workers_all" else what, process.name):
            await process.kill()
            await asyncio.sleep(length * 2)
            await process.start()

    async def _terminate(self, process: Process, what: str, length: float) -> None:
        with self.history.fault(what, process.name) as fault:
            status = await process.stop()
            fault.detail = f"exit status {status}"
            await asyncio.sleep(length)
            await process.start()

    async def _pause(self, process: Process, what: str, length: float) -> None:
        with self.history.fault(what, process.name):
            process.pause()
            await asyncio.sleep(2 * self._lease + length)
            process.resume()

    async def _kill_simulator(self) -> None:
        with self.history.fault("simulator_kill", "simulator"):
            await self.rig.restart_simulator()

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
            with self.history.fault(f"way_{act}", name):
                await acts[act]()

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
        while True:
            self._redis.look()
            await asyncio.sleep(SAMPLE)
