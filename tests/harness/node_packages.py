"""Packages of npm that tests and examples need, in the folders of their lock files."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.conftest import WAY_OUT

NODE: Final = (20, 15)
PATIENCE: Final = 200
UNREACHABLE: Final = (
    "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH",
)  # fmt: skip


class Node(NamedTuple):
    """The program, and the folder with the scripts and their packages."""

    program: Path
    folder: Path


def node_with(folder: Path) -> Node:
    """Node.js with what a folder's package-lock.json names; skips where it or the package registry is missing."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("Node.js with npm is not installed")
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    if tuple(int(part) for part in version[1:].split(".")[:2]) < NODE:
        pytest.skip(f"Node.js is {version}, older than the packages of {folder.name} want")
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".installed"
    with alone(lock):
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            _npm_ci(npm, folder)
            installed.write_bytes(lock.read_bytes())
    return Node(Path(program), folder)


def built(node: Node, sources: Iterable[Path], output: Path, *words: str) -> None:
    """Have a program of the packages build `output` from these files, unless it has: they and the lock file say."""
    digest = hashlib.sha256()
    for file in (node.folder / "package-lock.json", *sorted(sources)):
        digest.update(str(file).encode() + b"\0" + file.read_bytes())
    note = node.folder / "node_modules" / f".built-{output.name}"
    with alone(node.folder / "package-lock.json"):
        if output.exists() and note.exists() and note.read_text() == digest.hexdigest():
            return
        program = node.folder / "node_modules" / ".bin" / words[0]
        done = subprocess.run(
            [program, *words[1:]],
            cwd=node.folder,
            env=os.environ | {"NEXT_TELEMETRY_DISABLED": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        note.write_text(digest.hexdigest())


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep other processes that run tests side by side from the same block, meanwhile."""
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _npm_ci(npm: str, folder: Path) -> None:
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000"]
    try:
        result = subprocess.run(
            command, cwd=folder, env=os.environ | WAY_OUT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci did not come to an end: no package registry")
    if result.returncode != 0 and any(code in result.stderr for code in UNREACHABLE):
        pytest.skip("npm ci reached no package registry")
    assert result.returncode == 0, result.stderr
