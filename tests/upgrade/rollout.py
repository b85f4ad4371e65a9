"""Processes of two versions beside each other, replaced and restarted in both orders."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.history import History
from tests.faults.rig import Rig
from tests.processes import Process

PAUSE = 1.5
"""Seconds for which all goes on between two steps."""


class Version:
    """One commit, installed: its tree, and the Python that has its dependencies."""

    def __init__(self, name: str, tree: Path, python: Path) -> None:
        self.name, self._tree, self._python = name, tree, python

    def take(self, process: Process) -> None:
        """Let a process be of this version from its next start on."""
        process.command[0] = str(self._python)
        process.environment["PYTHONPATH"] = str(self._tree)


class Mixed(Rig):
    """A Rig of two APIs and two workers, of which the second each is of the version before."""

    def __init__(
        self, folder: Path, history: History, *, before: Version, now: Version, environment: Mapping[str, str]
    ) -> None:
        super().__init__(folder, history, workers=2, apis=2, environment=environment)
        self.before, self.now = before, now
        self.versions: dict[str, Version] = {}
        for old, new in ((self.apis[1], self.apis[0]), (self.workers[1], self.workers[0])):
            self.make(old, before)
            self.make(new, now)

    def make(self, process: Process, version: Version) -> None:
        """Let a process be of this version from its next start on."""
        version.take(process)
        self.versions[process.name] = version


class Rollout:
    """Every step, one after the other: restarts of each beside the other, the upgrade, the way back, and kills."""

    def __init__(self, rig: Mixed, history: History) -> None:
        self.rig, self.history = rig, history

    async def run(self, _: asyncio.Event) -> None:
        """All steps. It cannot be ended before."""
        rig = self.rig
        # Old and new beside each other; each restarted as it is, in both orders.
        for processes in ((*rig.apis, *rig.workers), (*reversed(rig.workers), *reversed(rig.apis))):
            await self._each(processes)
        # What a worker of one version leaves behind is taken over by the other.
        for worker in rig.workers:
            await self._replace(worker, rig.versions[worker.name], kill=True)
        # All new, workers first; all old, APIs first; and all new, APIs first.
        await self._all(rig.now, (*rig.workers, *rig.apis))
        await self._all(rig.before, (*rig.apis, *rig.workers))
        await self._restart_redis()
        await self._all(rig.now, (*rig.apis, *rig.workers))

    async def _each(self, processes: Sequence[Process]) -> None:
        for process in processes:
            await self._replace(process, self.rig.versions[process.name])

    async def _all(self, version: Version, processes: Sequence[Process]) -> None:
        for process in processes:
            if self.rig.versions[process.name] is not version:
                await self._replace(process, version)

    async def _replace(self, process: Process, version: Version, *, kill: bool = False) -> None:
        family = process.name.partition("-")[0]
        with self.history.fault(f"{family}_{'kill' if kill else 'term'}", process.name) as fault:
            fault.detail = f"{self.rig.versions[process.name].name} → {version.name}"
            await (process.kill() if kill else process.stop())
            self.rig.make(process, version)
            await process.start()
        await asyncio.sleep(PAUSE)

    async def _restart_redis(self) -> None:
        with self.history.fault("redis_kill", "redis"):
            await self.rig.restart_redis()
        await asyncio.sleep(PAUSE)
