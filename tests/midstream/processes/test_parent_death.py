"""Children that end with their parent: it is the command that runs, under its own name, and gets the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from midstream.processes.parent_death import ending_with_parent
from tests.midstream.conftest import Gone, RunPython

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux' own")

PARENT = """
import signal, subprocess, sys, time
from midstream.processes.parent_death import ending_with_parent
command = [sys.executable, "-c", {child!r}]
child = subprocess.Popen(ending_with_parent(command, signal.{ending}), stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
WAITS = "import time; print('here', flush=True); time.sleep(600)"
NOTES = """
import pathlib, signal, sys, time
def note(*_):
    pathlib.Path({place!r}).write_text("noted")
    sys.exit()
signal.signal(signal.SIGTERM, note)
print("here", flush=True)
time.sleep(600)
"""


async def test_a_parent_that_is_killed_takes_its_child_along(run_python: RunPython, gone: Gone) -> None:
    parent = run_python("-c", PARENT.format(child=WAITS, ending="SIGKILL"))
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    await gone(child)


async def test_the_child_gets_the_signal_that_was_chosen(run_python: RunPython, gone: Gone, tmp_path: Path) -> None:
    place = tmp_path / "note"
    parent = run_python("-c", PARENT.format(child=NOTES.format(place=str(place)), ending="SIGTERM"))
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    await gone(child)
    assert place.read_text() == "noted"


def test_what_runs_is_the_command_itself() -> None:
    words = [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1:])", "a b", "", "é"]
    with subprocess.Popen(ending_with_parent(words), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == f"{process.pid} ['a b', '', 'é']\n"
    assert process.returncode == 0


def test_a_child_whose_parent_has_gone_meanwhile_does_not_begin() -> None:
    interpreter, *flags, parent, ending, _ = ending_with_parent(["/bin/true"])
    assert parent == str(os.getpid())
    nobody = subprocess.run(
        [interpreter, *flags, "1", ending, "/bin/true"], capture_output=True, text=True, check=False
    )
    assert nobody.returncode == 1
    assert nobody.stderr == "/bin/true is not started: its parent is gone\n"


def test_a_command_that_cannot_run_is_said(tmp_path: Path) -> None:
    name = str(tmp_path / "none")
    none = subprocess.run(ending_with_parent([name]), capture_output=True, text=True, check=False)
    assert (none.returncode, none.stderr) == (1, f"cannot run {name}: No such file or directory\n")


def test_elsewhere_the_command_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midstream.processes.parent_death.sys.platform", "darwin")
    assert ending_with_parent(("/bin/true", "x"), signal.SIGTERM) == ["/bin/true", "x"]
