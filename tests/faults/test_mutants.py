"""The mutants fit the tree as it is, and the tests notice: a few here, all by `python -m tests.faults.mutants`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.faults.mutants import MUTANTS, STAGES, Mutant, caught_by, copied, mutate, passes
from tests.harness.repository import ROOT

QUICK = {"a mismatch is the end of an attempt": "writer", "a lease is not looked at before the claim": "guards"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_every_mutant_can_be_made(tree: Path, mutant: Mutant) -> None:
    assert set(mutant.stages) <= set(STAGES)
    before = {edit.file: (tree / edit.file).read_text() for edit in mutant.edits}
    mutate(tree, mutant)
    for file, text in before.items():
        assert (tree / file).read_text() != text
        (tree / file).write_text(text)


def test_the_page_names_mutants_that_there_are() -> None:
    page = (ROOT / "docs/reliability.md").read_text().partition("| without its guard | caught by |")[2]
    named = re.findall(r"^\| (.+) \| .+ \|$", page.partition("\n\n")[0], re.MULTILINE)
    assert set(named) <= {mutant.name for mutant in MUTANTS}
    assert len(named) == len(set(named)) > 100


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("name", "stage"), QUICK.items())
def test_a_missing_guard_is_noticed(name: str, stage: str) -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    caught = caught_by(mutant, [stage])
    assert caught is not None
    assert caught[1].startswith("test_")


@pytest.mark.timeout(200)
def test_nothing_is_noticed_where_nothing_is_missing() -> None:
    assert caught_by(Mutant("none", ()), list(QUICK.values())) is None


@pytest.mark.timeout(600)
def test_every_stage_of_tests_can_run(tree: Path) -> None:
    """A stage that cannot even be collected would catch any mutant."""
    folders = sorted({word for words in STAGES.values() for word in words if word.startswith("tests/")})
    process = run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *folders],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-2000:]


def test_a_stage_that_cannot_run_catches_nothing(tmp_path: Path) -> None:
    folder = copied(tmp_path / "tree")
    (folder / "tests/worker/writing/test_writer.py").write_text("raise ImportError\n")
    with pytest.raises(ChildProcessError):
        passes(folder, "writer")
