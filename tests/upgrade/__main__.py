"""Runs an earlier commit beside this one, under load, and judges it as chaos does: `python -m tests.upgrade [COMMIT]`.

An API and a worker of each, restarted in both orders, killed, and replaced by the other version and back again. The
commit is the one that tests/upgrade/BEFORE names: the last one before what is being worked on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.chaos import Plan, environment, judge, load
from tests.chaos.checker import say
from tests.chaos.figures import summary
from tests.chaos.history import History
from tests.conftest import forget_environment
from tests.harness.repository import ROOT
from tests.mended.before import Before
from tests.upgrade.rollout import Mixed, Rollout, Version

BEFORE = Path(__file__).with_name("BEFORE")
LEAST = 20
"""Generations that have to complete, and a few hundred reconnects: else nothing was tried."""


async def run(folder: Path, before: Version) -> None:
    """Start both versions, replace them under load, and write down what came of it."""
    # No more seconds than the steps take.
    plan = Plan(seconds=0, running=6, kinds=frozenset())
    history = History(folder / "history")
    rig = Mixed(
        folder, history, before=before, now=Version("new", ROOT, Path(sys.executable)), environment=environment(plan)
    )
    await load(plan, rig, history, Rollout(rig, history).run)


def main(words: Sequence[str] | None = None) -> int:
    """Run and judge; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("commit", nargs="?", default=BEFORE.read_text().strip(), help="the version before")
    asked = parser.parse_args(words)
    forget_environment()  # settings of this machine change no outcome here either
    folder = Path(tempfile.mkdtemp(prefix="midstream-upgrade-"))
    with tempfile.TemporaryDirectory() as place, Before(asked.commit, Path(place)) as executable:
        tree = executable.parents[2]
        asyncio.run(run(folder, Version("old", tree, executable.with_name("python"))))
    violations, evidence, checker = judge(folder)
    for name, value in summary(evidence, checker):
        print(f"{name}: {value}")
    tried = checker.counts["completed"] >= LEAST
    print(say(violations) if violations else "every promise was kept" if tried else "too little was asked")
    if violations or not tried:
        print(f"the history is in {folder}", file=sys.stderr)
        return 1
    print(f"{asked.commit[:12]} and this tree run side by side")
    return 0


if __name__ == "__main__":
    sys.exit(main())
