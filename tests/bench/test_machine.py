"""What a report says of its machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import machine
from bench.machine import stolen


def test_stolen_is_of_what_was_wanted_and_not_of_what_was_idle(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 10 50 9000 70 3 7 30 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert stolen(stat) == (30, 200)
    assert stolen(tmp_path / "none") == (0, 0)


def test_results_of_earlier_parts_do_not_count_as_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    result, program = tmp_path / "bench" / "results" / "idle.json", tmp_path / "bench" / "idle.py"
    result.parent.mkdir(parents=True)
    git("init", "--quiet")
    for file in (result, program):
        file.write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    commit = git("rev-parse", "HEAD")[:12]
    monkeypatch.setattr(machine, "REPOSITORY", tmp_path)
    result.write_text("2")
    assert machine.describe([])["commit"] == commit
    program.write_text("2")
    assert machine.describe([])["commit"] == commit + "+"


def test_without_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(machine, "REPOSITORY", tmp_path)
    assert machine.describe([])["commit"] is None
