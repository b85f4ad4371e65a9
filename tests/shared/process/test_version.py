"""One version: the one that is installed is the one that pyproject.toml states."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from shared.process.version import version
from tests.harness.repository import ROOT


def test_it_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert version() == project["project"]["version"]


def test_a_tree_that_was_not_installed_says_so() -> None:
    # -S: without what is installed.
    code = "import sys; sys.path.insert(0, sys.argv[1]); from shared.process.version import version; print(version())"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT)], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("unknown (not installed)\n", "")
