"""Everything at once: real processes, faults by a seed, and every promise judged afterwards.

`MIDSTREAM_CHAOS_SECONDS` makes it longer than the 30 s that it takes by default.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.chaos import Plan, judge, run
from tests.chaos.checker import say
from tests.chaos.figures import summary


@pytest.mark.timeout(0)
async def test_every_promise_is_kept_under_faults(tmp_path: Path, chaos_seconds: float) -> None:
    plan = Plan(seconds=chaos_seconds, seed=4, workers=2, running=8, pace=1.0)
    await run(plan, tmp_path)
    violations, evidence, checker = judge(tmp_path)
    for name, value in summary(evidence, checker):
        print(f"{name}: {value}")
    assert not violations, say(violations)
    # It was not a walk in the park: something was asked, and things broke.
    assert len(evidence.faults) >= 5
    assert checker.counts["completed"] >= 10
    assert checker.counts["reconnects"] >= 20
    assert checker.counts["turns"] >= 5
    assert checker.counts["reconnects of followers"] >= 20
