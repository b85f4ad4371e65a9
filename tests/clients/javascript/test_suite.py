"""The JavaScript client's own suite, as Node.js runs it: the table of cases, a browser's troubles, hooks, types."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.harness.node_packages import Node, node_with
from tests.harness.repository import ROOT

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

FOLDER: Final = ROOT / "clients/javascript"
SUITES: Final = sorted(path.name for path in (FOLDER / "tests").glob("*.test.js"))


@pytest.fixture(scope="module")
def node() -> Node:
    """Node.js with what the suite needs."""
    return node_with(FOLDER)


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite(node: Node, suite: str) -> None:
    words = [str(node.program), "--test", "--test-reporter=tap", str(Path("tests", suite))]
    done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    counts = dict(re.findall(r"^# (\w+) (\d+)$", done.stdout, re.MULTILINE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(counts["pass"]) > 0
    assert (counts["fail"], counts["skipped"], counts["todo"], counts["cancelled"]) == ("0", "0", "0", "0")


def test_the_package_has_its_sources_and_the_licence(node: Node) -> None:
    # npm leaves out a link without a word.
    words = ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"]
    done = subprocess.run(words, cwd=node.folder, capture_output=True, text=True, timeout=60, check=True)
    packed = {file["path"] for file in json.loads(done.stdout)[0]["files"]}
    sources = {f"src/{path.name}" for path in (FOLDER / "src").iterdir()}
    assert packed == sources | {"LICENSE", "README.md", "package.json"}
    assert (FOLDER / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_no_suite_is_left_out() -> None:
    assert {f"{name}.test.js" for name in ("cases", "chunks", "connection", "fold", "react", "size", "types")} <= {
        *SUITES
    }
