"""The JavaScript client under the same faults, judged by the same rules: 100 generations (`--most 1000` by hand)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.chaos.chaos import Plan, judge, run
from tests.chaos.checker import say
from tests.chaos.figures import summary
from tests.chaos.javascript_audience import NODE


@pytest.fixture
def node() -> str:
    """Node.js; skips where there is none that is new enough for the client."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    found = re.match(r"v(\d+)", version)
    if found is None or int(found[1]) < NODE:
        pytest.skip(f"Node.js is {version.strip()}, older than the client wants")
    return program


@pytest.mark.node
@pytest.mark.usefixtures("node")
@pytest.mark.timeout(0)
async def test_every_promise_is_kept_to_who_uses_the_javascript_client(tmp_path: Path) -> None:
    plan = Plan(seconds=600, seed=27, workers=2, running=10, pace=2.0, cut_aof=True, most=100, clients="javascript")
    await run(plan, tmp_path)
    violations, evidence, checker = judge(tmp_path)
    for name, value in summary(evidence, checker):
        print(f"{name}: {value}")
    assert not violations, say(violations)
    counts = checker.counts
    assert counts["generations"] >= 90  # some were deleted before they had an event
    assert counts["reconnects"] >= 100
    assert len(evidence.faults) >= 5
    # The client also asked, and what it added up was looked at.
    assert sum(post.status == 200 and post.dialect == "native" for post in evidence.posts) >= 5
    assert counts["generations that clients added up"] >= 50
    assert counts["conversations that clients had open"] >= 3
