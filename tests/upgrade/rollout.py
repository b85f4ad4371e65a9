"""Processes of two versions beside each other, replaced and restarted in both orders."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.history import History
from tests.chaos.rig import Rig
from tests.faults.journal import JOURNAL_VARIABLE
from tests.faults.worker import COMMAND
from tests.harness.processes import Process, Stack

PAUSE_S = 1.0
"""Seconds for which all goes on between two steps."""


class Version:
    """One commit, installed: its tree, and the Python that has its dependencies."""

    def __init__(self, name: str, tree: Path, python: Path) -> None:
        self.name, self._tree, self._python = name, tree, python

    @property
    def speaks_dialects(self) -> bool:
        """Says whether it has routes for the clients of others; versions before decision 0036 have none."""
        return (self._tree / "api/exchange").exists()

    @property
    def knows_unwatched(self) -> bool:
        """Says whether it takes `on_unwatched`; versions before decision 0042 refuse it."""
        return (self._tree / "api/counting").exists()

    @property
    def knows_conversations(self) -> bool:
        """Says whether it has conversations, and their streams (decision 0044)."""
        return (self._tree / "api/routes/conversation_events.py").exists()

    def take(self, process: Process) -> None:
        """Let a process be of this version from its next start on."""
        process.command[0] = str(self._python)
        process.environment["PYTHONPATH"] = str(self._tree)
        if process.command[1:] in (list(COMMAND), list(Stack.worker)):
            # The version before the one that has tests/faults/worker.py keeps its journal by a setting.
            apart = (self._tree / "tests/faults/worker.py").exists()
            process.command[1:] = COMMAND if apart else Stack.worker


class Mixed(Rig):
    """A Rig of two APIs and two workers, of which the second each is of the version before."""

    def __init__(
        self, folder: Path, history: History, *, before: Version, now: Version, environment: Mapping[str, str]
    ) -> None:
        super().__init__(folder, history, workers=2, apis=2, environment=environment)
        self.before, self.now = before, now
        self.dialects = before.speaks_dialects
        self.unwatched = before.knows_unwatched
        self.conversations = before.knows_conversations
        self._versions: dict[str, Version] = {}
        for old, new in ((self.apis[1], self.apis[0]), (self.workers[1], self.workers[0])):
            self.make(old, before)
            self.make(new, now)

    async def routes(self, process: Process) -> dict[str, str]:
        """Those of a Rig, and the older version's name for the journal."""
        found = await super().routes(process)
        return found | ({"MIDSTREAM_APPEND_JOURNAL": found[JOURNAL_VARIABLE]} if JOURNAL_VARIABLE in found else {})

    def make(self, process: Process, version: Version) -> None:
        """Let a process be of this version from its next start on."""
        version.take(process)
        self._versions[process.name] = version

    def of(self, process: Process) -> Version:
        """Which version a process is of."""
        return self._versions[process.name]


class Rollout:
    """Every step, one after the other: restarts of each beside the other, the upgrade, the way back, and kills."""

    def __init__(self, rig: Mixed, history: History, *, pause_s: float = PAUSE_S) -> None:
        self.rig, self.history, self._pause_s = rig, history, pause_s

    async def run(self, _: asyncio.Event) -> None:
        """All steps. It cannot be ended before."""
        rig, old, new = self.rig, self.rig.before, self.rig.now
        # An API and a worker of each, restarted as they are beside the others, in both orders.
        for version in (old, new, new, old):
            await self._together([process for process in (*rig.apis, *rig.workers) if rig.of(process) is version])
        # What a worker of one version leaves behind is taken over by the other.
        for worker in rig.workers:
            await self._replace(worker, rig.of(worker), kill=True)
        # The upgrade, workers first; the way back, APIs first, one after the other; and the whole upgrade.
        await self._together(rig.workers, new)
        await self._one_by_one(rig.apis, new)
        await self._restart_redis()
        await self._one_by_one(rig.apis, old)
        await self._together(rig.workers, old)
        await self._together(rig.workers, new)
        await self._one_by_one(rig.apis, new)

    async def _together(self, processes: Sequence[Process], version: Version | None = None) -> None:
        async with asyncio.TaskGroup() as group:
            for process in processes:
                if self.rig.of(process) is not version:
                    group.create_task(self._replace(process, version or self.rig.of(process)))

    async def _one_by_one(self, processes: Sequence[Process], version: Version) -> None:
        for process in processes:
            if self.rig.of(process) is not version:
                await self._replace(process, version)

    async def _replace(self, process: Process, version: Version, *, kill: bool = False) -> None:
        family = process.name.partition("-")[0]
        with self.history.fault(f"{family}_{'kill' if kill else 'term'}", process.name) as fault:
            fault.detail = f"{self.rig.of(process).name} → {version.name}"
            await (process.kill() if kill else process.stop())
            self.rig.make(process, version)
            await process.start()
        await asyncio.sleep(self._pause_s)

    async def _restart_redis(self) -> None:
        with self.history.fault("redis_kill", "redis"):
            await self.rig.restart_redis()
        await asyncio.sleep(self._pause_s)
