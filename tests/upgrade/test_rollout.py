"""The steps of a rollout: old and new beside each other, each restarted, killed, and replaced by the other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.chaos.history import Fault, History, read
from tests.harness.processes import Process
from tests.upgrade.__main__ import BEFORE
from tests.upgrade.rollout import Mixed, Rollout, Version


class Started(Process):
    """A process that is none, and whose version at each start is known."""

    def __init__(self, process: Process, starts: list[tuple[str, str]]) -> None:
        super().__init__(process.name, process.command, "", Path(), process.environment)
        self._starts = starts

    async def start(self) -> None:
        self._starts.append((self.name, Path(self.command[0]).name))

    async def stop(self) -> int:
        return 0

    async def kill(self) -> None:
        return None


async def test_each_version_is_restarted_beside_the_other_and_replaced_by_it(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    versions = [Version(name, tmp_path / name, tmp_path / name) for name in ("old", "new")]
    rig = Mixed(tmp_path, history, before=versions[0], now=versions[1], environment={})
    starts: list[tuple[str, str]] = []
    rig.apis = [Started(api, starts) for api in rig.apis]  # type: ignore[misc]
    rig.workers = [Started(worker, starts) for worker in rig.workers]
    async with rig.valkey:
        await Rollout(rig, history, pause_s=0).run(asyncio.Event())
    history.close()
    old, new = {("api-2", "old"), ("worker-2", "old")}, {("api-1", "new"), ("worker-1", "new")}
    assert [set(starts[n : n + 2]) for n in range(0, 8, 2)] == [old, new, new, old]
    changes = [line.detail for line in read(tmp_path / "history") if isinstance(line, Fault) and line.detail]
    assert {"old → new", "new → old"} < set(changes)
    assert dict(starts) == dict.fromkeys(("api-1", "api-2", "worker-1", "worker-2"), "new")


def test_the_commit_before_is_named_in_full() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}\n", BEFORE.read_text())
