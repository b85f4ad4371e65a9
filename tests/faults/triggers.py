"""Faults at one exact command: a proxy that kills a process before Redis hears of it, or once Redis has done it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import httpx2

from shared.storage.lua_script import LuaScript
from tests.faults.journal import JOURNAL_VARIABLE
from tests.faults.worker import COMMAND
from tests.harness.processes import Process, Stack
from tests.harness.proxy import Connection, Direction, Proxy, Upstream

PATIENCE = 30.0
"""Seconds in which a trap must spring."""

RUN = re.compile(rb"\r\n\$\d+\r\nEVAL(?:SHA)?\r\n")
"""Where a script's run begins among the commands that are sent together."""


class Trap:
    """SIGKILL for a process at a run of a script (its path) whose command has all of `words`.

    With `before`, Redis never gets that command; else it has done it, and the process does not hear the answer, which
    must have `answer` in it. It springs `times` times.
    """

    def __init__(
        self, process: Process, script: str, *words: str, before: bool = False, answer: str = "", times: int = 1
    ) -> None:
        self.process = process
        self.before, self.answer = before, answer.encode()
        self.sprung = 0
        self._script = LuaScript(script)
        self._words = [word.encode() for word in words]
        self._times = times

    @property
    def over(self) -> bool:
        return self.sprung >= self._times

    def at(self, commands: bytes) -> bool:
        """Whether one of these is the command, run by its hash or by its text."""
        return any(map(self._is, RUN.split(commands)))

    def _is(self, command: bytes) -> bool:
        named = self._script.sha.encode() in command or self._script.text.encode() in command
        return named and all(word in command for word in self._words)

    def spring(self) -> None:
        """Kill."""
        self.process.popen.kill()
        self.sprung += 1

    async def over_and_done(self) -> None:
        """Wait until it has sprung for the last time, and the process has ended."""
        async with asyncio.timeout(PATIENCE):
            while not self.over:
                await asyncio.sleep(0.005)
            await self.process.wait()


class TrapProxy(Proxy):
    """The way of one process to Redis, with the traps on it."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        super().__init__(name, upstream)
        self.traps: list[Trap] = []

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Proxy]:
        """Accept connections inside."""
        async with super().listening() as proxy:
            # What the proxy makes for each connection looks at what passes, too.
            server = await asyncio.get_running_loop().create_server(
                lambda: _Watched(self).client, "127.0.0.1", 0, backlog=512
            )
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield proxy
            finally:
                server.close()


class _Watched(Connection):
    def __init__(self, proxy: TrapProxy) -> None:
        super().__init__(proxy)
        self._traps = proxy
        self._asked: Trap | None = None

    def read(self, direction: Direction, data: bytes) -> None:
        if direction is Direction.UP:
            for trap in self._traps.traps:
                if not trap.over and trap.at(data):
                    if trap.before:
                        self._spring(trap)
                        return
                    self._asked = trap
        elif self._asked is not None:
            asked, self._asked = self._asked, None
            # A Redis that does not know the script yet has not run it: it gets the text next.
            if b"NOSCRIPT" not in data and asked.answer in data:
                self._spring(asked)
                return
        super().read(direction, data)

    def _spring(self, trap: Trap) -> None:
        self.swallow()
        trap.spring()


class Breakable(Stack):
    """A Stack in which every API and worker has its own way to Redis, named as the process, and workers journals."""

    worker = COMMAND

    def __init__(self, folder: Path, **options: object) -> None:
        super().__init__(folder, **options)  # type: ignore[arg-type]
        self.ways: dict[str, TrapProxy] = {}
        self._listening = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            return await super().__aenter__()
        except BaseException:
            await self._listening.aclose()
            raise

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        await self._listening.aclose()

    async def routes(self, process: Process) -> dict[str, str]:
        """Its way to Redis."""
        way = self.ways[process.name] = TrapProxy(f"{process.name} redis", self.valkey.socket)
        await self._listening.enter_async_context(way.listening())
        found = {"MIDSTREAM_REDIS_URL": f"redis://{way.address}/0"}
        if process in self.workers:
            found[JOURNAL_VARIABLE] = str(self.journal(process))
        return found

    def journal(self, worker: Process) -> Path:
        """Where a worker writes what it appended."""
        return self.folder / f"{worker.name}.jsonl"

    def trap(
        self,
        process: Process,
        script: str,
        *words: str,
        before: bool = False,
        answer: str = "",
        times: int = 1,
    ) -> Trap:
        """Set a trap."""
        trap = Trap(process, script, *words, before=before, answer=answer, times=times)
        self.ways[process.name].traps.append(trap)
        return trap

    async def mend(self) -> None:
        """As at the start: no traps, every way open, every process running."""
        for way in self.ways.values():
            way.traps.clear()
            way.restore()
        async with asyncio.TaskGroup() as group:
            for process in self.processes:
                if process.running:
                    process.resume()
                else:
                    group.create_task(process.start())

    async def requests(self, http: httpx2.AsyncClient, key: str) -> int:
        """How often the provider was asked with this `key=` in the model's name."""
        response = await http.get(f"{self.simulator_url}/journal", params={"key": key})
        return len(response.json())
