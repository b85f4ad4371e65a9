"""`make run` and `make install` take what the lock files say, whatever newer versions there are, whichever pip it is.

From an index on disk: all that is locked, and beside it newer versions that nobody has asked for. pip before 24.2 looks
for a package that another one requires with an extra anew, although the lock has it, unless it is told to resolve
nothing (docs/decisions/0017-nothing-is-resolved.md).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.repository import ROOT
from tests.test_locks import pinned

LOCK = "requirements-dev.lock"
RUNS = ("requirements.lock", "requirements-build.lock")
"""What `make run` takes; the rest is for tests and tools."""
COPIED = (
    *("api", "clients/javascript/src", "clients/python/midstream_client"),
    *("midstream", "shared", "simulator", "worker"),
    *(*RUNS, LOCK, "pyproject.toml", "hatch_build.py", "Makefile"),
)
OLD_PIP = "22.3"
"""What Python 3.11.0 came with; it does not start on 3.12."""
PIPS = ["its own", *([OLD_PIP] if sys.version_info < (3, 12) else [])]
OTHERS = ("anyio", "pydantic", "typing-extensions")
"""Required by many, and without an extra."""

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed"),
]


def required_with_extras() -> dict[str, set[str]]:
    """Locked packages that another locked one requires with an extra, and these extras."""
    found: dict[str, set[str]] = {}
    for name in pinned(LOCK):
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                found.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    return found


def newer(version: str) -> str:
    """One that is newer, and that whoever takes the version takes too."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    assert numbers
    return ".".join([*numbers[0].split(".")[:-1], "9999"])


def forge(folder: Path, name: str, version: str, extras: set[str]) -> None:
    """Put a wheel of this name and version, with these extras and nothing in it, into a folder."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        "METADATA": metadata + "".join(f"Provides-Extra: {extra}\n" for extra in sorted(extras)),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(f"{stem}.dist-info/{file}", text)


def fetch(folder: Path, *what: str) -> str:
    """Download without dependencies; what pip says where it cannot."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    done = subprocess.run([*pip, "--dest", str(folder), *what], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or "it said nothing"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is locked, and newer versions of some of it. Skips where the package index cannot be reached."""
    folder = tmp_path_factory.mktemp("index")
    if refusal := fetch(folder, f"pip=={OLD_PIP}"):
        pytest.skip(f"offline: {refusal.splitlines()[-1][:200]}")
    assert fetch(folder, "--require-hashes", "-r", str(ROOT / LOCK)) == ""
    versions = pinned(LOCK)
    extras = required_with_extras()
    assert extras, "no locked package is required with an extra: forge one, or this proves nothing"
    for name in {*extras, *OTHERS}:
        forge(folder, name, newer(versions[name]), extras.get(name, set()))
    return folder


@pytest.mark.parametrize("pip", PIPS)
def test_exactly_the_locked_versions_are_installed(index: Path, tmp_path: Path, pip: str) -> None:
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, clone / name)
    for name in ("README.md", "LICENSE"):  # which pyproject.toml names
        (clone / name).touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | {
        "HOME": str(tmp_path),
        "PIP_USER": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
    }
    python = clone / ".venv" / "bin" / "python"
    venv.create(clone / ".venv", with_pip=True)
    if pip != "its own":
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-user", f"pip=={pip}"]
        subprocess.run(install, check=True, env=environment, capture_output=True)

    def make(folder: Path, *words: str) -> str:
        command = ["make", *words]
        made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        return made.stdout

    def installed(*locks: str) -> set[str]:
        """Names of what is there; all of it is as these locks say."""
        listed = subprocess.run(
            [str(python), "-m", "pip", "list", "--format=freeze", "--exclude=pip", "--exclude=setuptools"],
            check=True,
            env=environment | {"PIP_USER": "0"},
            capture_output=True,
            text=True,
        )
        pairs = (line.split("==") for line in listed.stdout.split())
        found = {canonicalize_name(name): version for name, version in pairs}
        assert found.pop(canonicalize_name("midstream"))
        # A line of a lock can be for other platforms only; that nothing is missing, make has asked pip.
        locked = {name: version for lock in locks for name, version in pinned(lock).items()}
        assert found == {name: version for name, version in locked.items() if name in found}
        return {*found}

    # What `make run` does before it starts anything, and again where there is nothing to do.
    runs = ("run", "ARGS=--help")
    make(clone, *runs)
    assert {*OTHERS, "hatchling"} <= installed(*RUNS)
    assert "pip" not in make(clone, *runs)
    make(clone, "install")
    assert {*required_with_extras(), *OTHERS} <= installed(LOCK)
    assert "Nothing to be done" in make(clone, "install")
    assert "pip" not in make(clone, *runs)
    # The client library, in its own place in the tree, is found too, whatever PYTHONPATH says.
    where = "import midstream_client; print(midstream_client.__file__)"
    found = subprocess.run([str(python), "-I", "-c", where], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert Path(found.stdout.strip()) == clone / "clients" / "python" / "midstream_client" / "__init__.py"
    # One that was moved, whose programs and paths lead to where it was, is made again.
    moved = clone.rename(tmp_path / "moved")
    assert "venv --clear .venv" in make(moved, "install", "--dry-run")
