"""Midstream as real processes, for tests that kill, pause and restart them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import httpx2

from midstream.processes.parent_death import ending_with_parent
from midstream.processes.polling import POLL_S, until
from midstream.processes.valkey import Valkey
from tests.harness.repository import ROOT

START_TIMEOUT = 120.0
STOP_TIMEOUT = 15.0
SHOWN = 40


class Process:
    """One program as a child that ends with us; what it says, on stdout and stderr, is in `output`.

    `ready` is a pattern in that output after which the program does its work.
    """

    def __init__(
        self, name: str, command: Sequence[str], ready: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.output = folder / f"{name}.log"
        self.environment = dict(environment)
        self.command = list(command)
        self._ready, self._folder = ready, folder
        self._popen: subprocess.Popen[bytes] | None = None
        self._start = self._shown = 0
        self.ready = False
        """Whether the latest start has come to do its work."""

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        """The latest start."""
        assert self._popen is not None, f"{self.name} was not started"
        return self._popen

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended; a paused one is running."""
        return self._popen is not None and self._popen.poll() is None

    async def start(self) -> None:
        """Start it, again if it has ended; returns when it is ready."""
        assert not self.running, f"{self.name} is running"
        self.ready = False
        self._popen = self._spawn()
        await self.said(self._ready)
        self.ready = True

    async def said(self, pattern: str) -> re.Match[str]:
        """Wait until its output since the latest start has the pattern. Fails after 40 s or when it has ended."""
        found: re.Match[str] | None = None

        def look() -> bool:
            nonlocal found
            ended = not self.running
            found = re.search(pattern, self._since(self._start))
            return found is not None or ended

        await until(look, START_TIMEOUT)
        if found is None:
            self.show()
            raise AssertionError(f"{self.name} did not say {pattern!r}; exit status {self.popen.poll()}")
        return found

    async def stop(self) -> int:
        """SIGTERM, and SIGKILL after 15 s; the exit status."""
        if self.running:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            if not await until(lambda: not self.running, STOP_TIMEOUT):
                self.popen.kill()
        return await self.wait()

    async def kill(self) -> None:
        """SIGKILL: it can say and flush nothing more."""
        self.popen.kill()
        await self.wait()

    def pause(self) -> None:
        """SIGSTOP: it is there, and silent."""
        self.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.popen.send_signal(signal.SIGCONT)

    async def wait(self) -> int:
        """The exit status, when it has ended."""
        await until(lambda: not self.running)
        return self.popen.wait()

    def tasks(self) -> int | None:
        """How many tasks its loop had when it was last asked; asks again, for the next time."""
        found = re.findall(r"midstream: (\d+) tasks", self._since(self._start))
        if self.ready and self.running:
            self.popen.send_signal(signal.SIGUSR1)
        return int(found[-1]) if found else None

    def show(self) -> None:
        """Print what it said since the last time; pytest shows that where a test fails."""
        lines = self._since(self._shown).splitlines()
        self._shown = self.output.stat().st_size if self.output.exists() else 0
        for line in lines[-SHOWN:]:
            print(f"{self.name:>10} | {line}", file=sys.stderr)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            self._start = output.tell()
            return subprocess.Popen(
                ending_with_parent(self.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | self.environment,
                start_new_session=True,
            )

    def _since(self, position: int) -> str:
        if not self.output.exists():
            return ""
        with self.output.open("rb") as output:
            output.seek(position)
            return output.read().decode(errors="replace")


class ApiProcess(Process):
    """One API; it keeps its port when it is started again."""

    port = 0

    async def start(self) -> None:
        self.environment["MIDSTREAM_PORT"] = str(self.port)
        await super().start()
        self.ready = False
        self.port = int((await self.said(self._ready))[1])
        # Not until Redis takes writes: in an outage it starts, too.
        async with asyncio.timeout(START_TIMEOUT), httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            while not await self._answers(client):
                assert self.running, f"{self.name} ended"
                await asyncio.sleep(POLL_S)
        self.ready = True

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"http://127.0.0.1:{self.port}"

    async def _answers(self, client: httpx2.AsyncClient) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return (await client.get(f"{self.url}/livez")).status_code == 200
        return False


class Stack:
    """A whole Midstream on a folder of the test's own: `async with` starts it and ends all of it.

    What the processes said is printed where the block ends with an exception.

    Each API is one process, or `api_processes` of them on its port.
    `environment` is what the APIs and workers get beside the addresses; `redis` are directives of the
    embedded server. Without `simulator` there is none, and the environment must name a provider.
    """

    worker: ClassVar[Sequence[str]] = ("-m", "midstream", "worker")
    """What Python runs as a worker."""

    def __init__(
        self,
        folder: Path,
        *,
        apis: int = 1,
        workers: int = 1,
        api_processes: int = 1,
        simulator: bool = True,
        environment: Mapping[str, str] | None = None,
        redis: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.valkey = Valkey(folder / "data", config=redis)
        # Workers hold off for one lease after Redis has started: with this not longer than they load. With a shorter
        # one they lose what they run where a busy machine stands still for a moment.
        self.environment = {"MIDSTREAM_LEASE": "3", "MIDSTREAM_DRAIN_TIMEOUT": "2"} | dict(environment or {})
        self.simulator = (
            self._process("simulator", "simulator", "--port", "0", ready=r"listening on (\S+)") if simulator else None
        )
        api = ("api", *(("--processes", str(api_processes)) if api_processes > 1 else ()))
        self.apis = [
            ApiProcess(f"api-{n}", _midstream(*api), r"listening on \S+ port (\d+)", folder, {})
            for n in range(1, apis + 1)
        ]
        self.workers = [
            Process(f"worker-{n}", [sys.executable, *self.worker], r"takes up to \d+", folder, {})
            for n in range(1, workers + 1)
        ]

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self.show()
            await self._stop()
            raise
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        await self._stop()
        if kind is not None:
            self.show()

    @property
    def processes(self) -> list[Process]:
        """All of them but the embedded server; those in front come first."""
        return [*self.apis, *self.workers, *([self.simulator] if self.simulator else [])]

    @property
    def simulator_url(self) -> str:
        """Root of the simulator."""
        return self.environment["MIDSTREAM_SIMULATOR_URL"]

    async def restart_redis(self) -> None:
        """SIGKILL, as a crash would, and start again on the same data."""
        await self.valkey.kill()
        await self.valkey.start()

    async def routes(self, process: Process) -> dict[str, str]:
        """Variables of one process only: where something stands between it and what it speaks to."""
        return {}

    def show(self) -> None:
        """Print what each process said since the last time."""
        for process in self.processes:
            process.show()

    def _process(self, name: str, *words: str, ready: str) -> Process:
        return Process(name, _midstream(*words), ready, self.folder, {})

    async def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.valkey.start()
        self.environment["MIDSTREAM_REDIS_URL"] = self.valkey.url
        if self.simulator is not None:
            await self.simulator.start()
            self.environment["MIDSTREAM_SIMULATOR_URL"] = (await self.simulator.said(r"listening on (\S+)"))[1]
        for process in (*self.apis, *self.workers):
            process.environment |= self.environment | await self.routes(process)
        async with asyncio.TaskGroup() as group:
            for process in (*self.apis, *self.workers):
                group.create_task(process.start())

    async def _stop(self) -> None:
        # In this order, so that none fails for want of one behind it and fills the output with that.
        await asyncio.gather(*(process.stop() for process in (*self.apis, *self.workers) if process.running))
        if self.simulator is not None and self.simulator.running:
            await self.simulator.stop()
        await self.valkey.stop()


def _midstream(*words: str) -> list[str]:
    return [sys.executable, "-m", "midstream", *words]
