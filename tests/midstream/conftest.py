"""Real processes: running a program of ours, and knowing that one has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.harness.repository import ROOT
from tests.midstream.scripted_api import ScriptedApi

Gone = Callable[[int], Awaitable[None]]
RunPython = Callable[..., subprocess.Popen[str]]
Kind = Literal["package", "file", "folder"]


def ended(pid: int) -> bool:
    """Whether the process is gone, or waits only to be reaped by whoever inherited it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def users_own(place: Path, kind: Kind) -> None:
    """Put a user's own things named as our packages are into a folder; what can be imported of them raises.

    There is also a folder `midstream` without any module, as the clone of a repository is.
    """
    for name in ("api", "midstream_client", "shared", "simulator", "worker"):
        module = place / (f"{name}.py" if kind == "file" else f"{name}/__init__.py")
        module.parent.mkdir(exist_ok=True)
        if kind == "folder":
            module = module.with_name("settings.py")
        module.write_text("raise SystemExit('not this one')")
    (place / "midstream").mkdir()


@pytest.fixture
def gone() -> Gone:
    """Wait until a process has ended; fails after 15 s."""

    async def wait(pid: int) -> None:
        deadline = time.monotonic() + 15
        while not ended(pid):
            assert time.monotonic() < deadline, f"process {pid} is still there"
            await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def run_python(tmp_path: Path) -> Iterator[RunPython]:
    """Start an interpreter that imports our packages, outside of the source tree; killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def scripted_api() -> Iterator[ScriptedApi]:
    """A server that serves one generation and cuts its viewers off."""
    with ScriptedApi() as api:
        yield api
