"""Environments of the peers that are packages: each has its own under `.venv-bench/`, made when it is first asked for.

Versions are pinned in `bench/peers/requirements-*.lock` and `bench/peers/*/package-lock.json`. Midstream needs none.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.machine import REPOSITORY

FOLDER = REPOSITORY / ".venv-bench"
PEERS = Path(__file__).parent / "peers"
PATIENCE = 900


class Unavailable(Exception):
    """What is needed is not installed; says what, and why."""


def python(name: str) -> str:
    """The interpreter that has what this peer needs. Raises Unavailable where that cannot be installed."""
    return locked(name, PEERS / f"requirements-{name}.lock")


def locked(name: str, lock: Path) -> str:
    """The interpreter of an environment that has what a lock file names. Raises Unavailable as `python` does."""
    folder = FOLDER / name
    program = folder / "bin" / "python"
    if not _current(folder, lock):
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], FOLDER.parent)
        pip = [str(program), "-m", "pip", "--disable-pip-version-check"]
        # Without dependencies: some versions of pip look for them anew, past the lock (docs/decisions/0017).
        _run([*pip, "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)], FOLDER.parent)
        _run([*pip, "check"], FOLDER.parent)
        _note(folder, lock)
    return str(program)


def node(name: str) -> tuple[str, Path]:
    """Node and the folder where the peer's program has its packages. Raises Unavailable where they cannot be had."""
    return npm(name, PEERS / name)


def npm(name: str, source: Path) -> tuple[str, Path]:
    """The same of a folder with a package-lock.json and programs."""
    program, installer = shutil.which("node"), shutil.which("npm")
    if program is None or installer is None:
        raise Unavailable("no node and npm; on Debian: apt-get install nodejs npm")
    folder = FOLDER / name
    lock = source / "package-lock.json"
    if not _current(folder, lock):
        folder.mkdir(parents=True, exist_ok=True)
        for file in (lock, source / "package.json"):
            shutil.copy(file, folder)
        _run([installer, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        _note(folder, lock)
    for file in source.glob("*.mjs"):
        shutil.copy(file, folder)
    return program, folder


def _current(folder: Path, source: Path) -> bool:
    note = folder / ".installed"
    return note.exists() and note.read_bytes() == source.read_bytes()


def _note(folder: Path, source: Path) -> None:
    shutil.copy(source, folder / ".installed")


def _run(command: Sequence[str], folder: Path) -> None:
    print(f"bench: {' '.join(command[-3:])}", file=sys.stderr)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} did not come to an end: {type(error).__name__}") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Unavailable(f"could not be installed: {last[:200]}")
