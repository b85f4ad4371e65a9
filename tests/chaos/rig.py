"""Midstream as real processes, with a proxy on every way between two of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx2

from tests.chaos.history import History, Resources
from tests.faults.journal import JOURNAL_VARIABLE
from tests.faults.worker import COMMAND
from tests.harness.processes import ApiProcess, Process, Stack
from tests.harness.proxy import Proxy
from tests.harness.server import Clock, Server


class Rig(Stack):
    """A Stack whose workers keep journals, and whose ways can be broken one by one.

    `proxies` are named by the process and what it reaches: `worker-1 redis`, `worker-1 queue`, `worker-1 simulator`,
    `api-1 redis`, `viewers api-1`. Where asked, Redis has a replica, the queue a Redis of its own, and each of both a
    clock that can be set.
    """

    worker = COMMAND
    dialects = True
    """Whether its APIs speak more than the native one."""
    unwatched = True
    """Whether its APIs take `on_unwatched`."""
    conversations = True
    """Whether its APIs know of conversations."""

    def __init__(
        self,
        folder: Path,
        history: History,
        *,
        workers: int,
        apis: int,
        environment: Mapping[str, str],
        replica: bool = False,
        queue: bool = False,
        clocks: bool = False,
    ) -> None:
        super().__init__(folder, workers=workers, apis=apis, environment=environment)
        self.history = history
        self.clocks = {"redis": Clock(folder / "clock")} if clocks else {}
        if queue and clocks:
            self.clocks["queue"] = Clock(folder / "clock-queue")
        self.redis = self.valkey = Server(folder / "data", clock=self.clocks.get("redis"))
        self.replica = Server(folder / "replica", clock=self.clocks.get("redis")) if replica else None
        self.queue = Server(folder / "queue", clock=self.clocks.get("queue")) if queue else None
        self.proxies: dict[str, Proxy] = {}
        self._listening = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await super().__aenter__()
            for api in self.apis:
                await self._proxy(f"viewers {api.name}", ("127.0.0.1", api.port))
        except BaseException:
            await self._listening.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        await self._listening.aclose()

    async def routes(self, process: Process) -> dict[str, str]:
        """Its own way to each Redis, and for a worker to the simulator."""
        redis = await self._proxy(f"{process.name} redis", self.redis.socket)
        found = {"MIDSTREAM_REDIS_URL": f"redis://{redis.address}/0"}
        if self.queue is not None:
            queue = await self._proxy(f"{process.name} queue", self.queue.socket)
            found["MIDSTREAM_QUEUE_URL"] = f"redis://{queue.address}/0"
        if process in self.workers:
            url = httpx2.URL(self.simulator_url)
            simulator = await self._proxy(f"{process.name} simulator", (url.host, url.port or 80))
            found["MIDSTREAM_SIMULATOR_URL"] = f"http://{simulator.address}"
            found[JOURNAL_VARIABLE] = str(self.history.journal(process.name))
        return found

    async def restart_simulator(self) -> None:
        """SIGKILL, and again on a new port, which the proxies learn."""
        assert self.simulator is not None
        await self.simulator.kill()
        await self.simulator.start()
        url = httpx2.URL((await self.simulator.said(r"listening on (\S+)"))[1])
        self.environment["MIDSTREAM_SIMULATOR_URL"] = str(url).rstrip("/")
        for name, proxy in self.proxies.items():
            if name.endswith(" simulator"):
                proxy.upstream = (url.host, url.port or 80)

    async def fail_over(self) -> bool:
        """The replica becomes the primary and the address moves, while connections stand; False where it is not ready.

        Nothing that was acknowledged is lost, as the primary waits for its replica.
        """
        assert self.replica is not None
        if not await self.redis.hand_over(self.replica):
            return False
        self.redis, self.replica = self.replica, self.redis
        self.valkey = self.redis
        for name, proxy in self.proxies.items():
            if name.endswith(" redis"):
                proxy.upstream = self.redis.socket
        return True

    def front(self, api: ApiProcess) -> str:
        """Where viewers reach an API: a proxy."""
        return f"http://{self.proxies[f'viewers {api.name}'].address}"

    def used(self, keys: int) -> list[Resources]:
        """What each process uses now, as /proc says (proc(5)); empty for one that is not there."""
        found = []
        for process in self.processes:
            if process.running and (usage := _usage(process.name, process.popen.pid)):
                usage.tasks = process.tasks() if process is not self.simulator else None
                found.append(usage)
        for name, server in {"redis": self.redis, "replica": self.replica, "queue": self.queue}.items():
            if server is not None and (usage := _usage(name, server.pid)):
                usage.keys = keys if server is self.redis else None
                found.append(usage)
        return found

    async def _start(self) -> None:
        for server in (self.queue, self.replica):
            if server is not None:
                await server.start()
        if self.replica is not None:
            await self.replica.follow(self.redis)
        await super()._start()

    async def _stop(self) -> None:
        await super()._stop()
        for server in (self.queue, self.replica):
            if server is not None:
                await server.stop()

    async def _proxy(self, name: str, upstream: tuple[str, int] | Path) -> Proxy:
        proxy = await self._listening.enter_async_context(Proxy(name, upstream).listening())
        self.proxies[name] = proxy
        return proxy


def _usage(name: str, pid: int) -> Resources | None:
    folder = Path(f"/proc/{pid}")
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        descriptors = len(list((folder / "fd").iterdir()))
        memory_kb = int(status["VmRSS"].split()[0])
    except (OSError, KeyError):
        return None
    return Resources(at=time.time(), process=name, pid=pid, memory_kb=memory_kb, descriptors=descriptors)
