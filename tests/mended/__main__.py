"""Shows that what was mended was broken: each point's test there, at an earlier commit, and here.

`python -m tests.mended BEFORE [POINT …]` prints `answers-7: falls there, holds here` for each point, and its tests. The
tests of this folder start programs as a user does and speak HTTP and signals with them; they import nothing of the
product, so the same ones try both commits. A cost prints both figures and their ratio, of rounds that take turns; a
sentence the test or figure that bears it; a suspicion that was disproved what was tried. Exit 1 where a point holds
there as well, or falls here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tests.harness.repository import ROOT
from tests.mended.before import Before
from tests.mended.said import DISPROVED, SENTENCES

ROUNDS = 5
"""Of a cost; there and here take turns."""
TESTS = "tests/mended"


class Outcome(NamedTuple):
    """What one test did with one executable."""

    point: str
    test: str
    holds: bool
    guard: bool
    cost: float | None
    unit: str


def main(arguments: Sequence[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mended", description=__doc__)
    parser.add_argument("before", help="the commit at which the tests are to fall")
    parser.add_argument("points", nargs="*", help="names of points, as answers-7; all where none is named")
    chosen = parser.parse_args(arguments)
    here = Path(sys.executable).with_name("midstream")
    with tempfile.TemporaryDirectory() as folder, Before(chosen.before, Path(folder)) as there:
        fell, held = (_run(executable, chosen.points, "not cost") for executable in (there, here))
        rounds = [[_run(executable, chosen.points, "cost") for executable in (there, here)] for _ in range(ROUNDS)]
    right = [*_points(fell, held), *_costs(rounds), *_said(chosen.points)]
    return 0 if right and all(right) else 1


def _run(executable: Path, points: Sequence[str], kind: str) -> list[Outcome]:
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        pytest = [sys.executable, "-m", "pytest", TESTS, "-q", "--no-header", "-m", f"mended and {kind}"]
        subprocess.run(
            [*pytest, "--override-ini=junit_family=xunit1", f"--junitxml={report.name}"],
            cwd=ROOT,
            env=os.environ | {"MIDSTREAM_EXE": str(executable), "MIDSTREAM_POINTS": ",".join(points)},
            stdout=sys.stderr,
            check=False,
        )
        return list(_outcomes(ElementTree.parse(report.name).iter("testcase")))


def _outcomes(cases: Iterable[ElementTree.Element]) -> Iterable[Outcome]:
    for case in cases:
        said = {item.get("name"): item.get("value", "") for item in case.iter("property")}
        holds = not any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        cost = float(said["cost"]) if "cost" in said else None
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        yield Outcome(said.get("point", ""), name, holds, said.get("guard") == "True", cost, said.get("unit", ""))


def _points(fell: list[Outcome], held: list[Outcome]) -> Iterable[bool]:
    there = {outcome.test: outcome for outcome in fell}
    for point in sorted({outcome.point for outcome in held}, key=_order):
        ours = [outcome for outcome in held if outcome.point == point]
        before = [there[outcome.test].holds for outcome in ours if not outcome.guard and outcome.test in there]
        fallen, here = bool(before) and not all(before), all(outcome.holds for outcome in ours)
        print(f"{point}: {'falls' if fallen else 'holds'} there, {'holds' if here else 'falls'} here")
        for outcome in ours:
            was = "not run" if outcome.test not in there else _word(there[outcome.test].holds)
            print(f"    {outcome.test}{' (guard)' if outcome.guard else ''}: {was} there, {_word(outcome.holds)} here")
        yield fallen and here


def _costs(rounds: list[list[list[Outcome]]]) -> Iterable[bool]:
    for position, outcome in enumerate(rounds[0][1]):
        both = [[run[side][position].cost for run in rounds] for side in (0, 1)]
        if any(cost is None for costs in both for cost in costs):
            print(f"{outcome.point}: no figure ({outcome.test})")
            yield False
            continue
        there, here = (statistics.median(cost for cost in costs if cost is not None) for costs in both)
        ratio = f"{here / there:.2f} times" if there else "no ratio"
        print(f"{outcome.point}: {there:.0f} {outcome.unit} there, {here:.0f} here, {ratio} (median of {len(rounds)})")
        yield all(run[1][position].holds for run in rounds)


def _said(points: Sequence[str]) -> Iterable[bool]:
    for point, sentence in SENTENCES.items():
        if not points or point in points:
            print(f"{point}: {sentence.file} says {sentence.text!r}: {', '.join(sentence.borne_by)}")
            yield sentence.is_borne()
    for point, tried in DISPROVED.items():
        if not points or point in points:
            print(f"{point}: disproved; {tried}")
            yield True


def _word(holds: bool) -> str:
    return "holds" if holds else "falls"


def _order(point: str) -> tuple[str, int, str]:
    issue, _, number = point.partition("-")
    return issue, int(number) if number.isdigit() else 1000, number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
