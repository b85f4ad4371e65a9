"""Honest users beside hostile callers keep what they are promised, and no process grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.chaos import judge
from tests.chaos.checker import say
from tests.chaos.hostile import CROWDS, run, waits


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_honest_users_beside_hostile_callers(tmp_path: Path) -> None:
    violations = await run(60.0, 12.0, tmp_path)
    assert not violations, say(violations)
    _, evidence, checker = judge(tmp_path)
    assert {fault.what for fault in evidence.faults} == {*CROWDS}
    assert checker.counts["completed"] >= 10
    for crowd in CROWDS:
        found = waits(evidence, crowd)
        assert len(found.posts) >= 5, crowd
        assert len(found.events) >= 100, crowd
    for api in evidence.setup.apis if evidence.setup else ():
        used = [sample.memory_kb for sample in evidence.resources if sample.process == api]
        assert max(used[len(used) // 2 :]) < 1.3 * max(used[: len(used) // 2]) + 20_000, (api, used)
