"""An earlier commit of this repository, installed from its own lock file into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.harness.repository import ROOT


class Before:
    """`with` makes the worktree below a folder, and gives its `midstream`; afterwards it is removed."""

    def __init__(self, commit: str, folder: Path) -> None:
        self.commit = commit
        self.tree = folder / "before"

    def __enter__(self) -> Path:
        """Raises subprocess.CalledProcessError where git or pip fails."""
        if subprocess.run(
            ("git", "cat-file", "-e", f"{self.commit}^{{commit}}"), cwd=ROOT, capture_output=True
        ).returncode:
            _quiet("git", "fetch", "--depth", "1", "origin", self.commit)  # a clone without all of the history
        _quiet("git", "worktree", "add", "--detach", str(self.tree), self.commit)
        _quiet(sys.executable, "-m", "venv", ".venv", cwd=self.tree)
        pip = (".venv/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")
        # The lock of the developers: it has what builds the package.
        _quiet(*pip, "--require-hashes", "-r", "requirements-dev.lock", cwd=self.tree)
        _quiet(*pip, "--no-build-isolation", "-e", ".", cwd=self.tree)
        return self.tree / ".venv" / "bin" / "midstream"

    def __exit__(self, *_: object) -> None:
        _quiet("git", "worktree", "remove", "--force", str(self.tree))


def _quiet(*command: str, cwd: Path = ROOT) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(command, cwd=cwd, env=environment, stdout=sys.stderr, check=True, timeout=900)
