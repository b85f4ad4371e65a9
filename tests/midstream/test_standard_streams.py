"""Whatever our output goes into, no command ends in a traceback."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from midstream.standard_streams import CannotWriteError, StandardStream
from tests.harness.repository import ROOT
from tests.midstream.scripted_api import Answer, ScriptedApi

full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
COMMANDS = ["tail gen_x", "tail gen_x --json", "show gen_x", "show gen_x --json", "list", "list --json", "usage"]


def shell(command: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    midstream = f"{shlex.quote(sys.executable)} -m midstream"
    return subprocess.run(
        ["bash", "-c", command.replace("midstream", midstream, 1)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def serve(api: ScriptedApi, command: str) -> None:
    api.says("wörld " * 20_000)
    data = [{"id": "gen_x", "state": "completed", "model": "m", "created": "now"}] * 100
    documents: dict[str, dict[str, Any]] = {
        "show": {"id": "gen_x", "text": "wörld " * 20_000},
        "list": {"data": data, "next": None},
        "usage": {"data": [], "total": {}},
    }
    if document := documents.get(command.split()[0]):
        api.answers.append(Answer(200, document))


@full
@pytest.mark.parametrize("command", [*COMMANDS, "--help", "--version"])
@pytest.mark.parametrize("how", ["> /dev/full", ">&-"])
def test_what_cannot_be_written_is_one_line(scripted_api: ScriptedApi, tmp_path: Path, command: str, how: str) -> None:
    serve(scripted_api, command)
    ended = shell(f"midstream {command} {how}", tmp_path, MIDSTREAM_URL=scripted_api.url)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("midstream: cannot write to standard output (")
    assert ("tail gen_x" in line) is command.startswith("tail")


@pytest.mark.parametrize("command", [*COMMANDS, "--help", "--version"])
def test_who_has_seen_enough_ends_it_quietly(scripted_api: ScriptedApi, tmp_path: Path, command: str) -> None:
    serve(scripted_api, command)
    ended = shell(f"midstream {command} | true; exit ${{PIPESTATUS[0]}}", tmp_path, MIDSTREAM_URL=scripted_api.url)
    assert (ended.returncode, ended.stderr) == (0, "")


@full
@pytest.mark.parametrize(("how", "code"), [("2>&-", 0), ("2>/dev/full", 1), ("2> >(true)", 0)])
def test_the_text_does_not_depend_on_standard_error(
    scripted_api: ScriptedApi, tmp_path: Path, how: str, code: int
) -> None:
    scripted_api.says("wörld")
    scripted_api.preamble = [(None, "queued", {"position": 3})]
    ended = shell(f"midstream tail gen_x {how}", tmp_path, MIDSTREAM_URL=scripted_api.url)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "wörld\n", "")


def test_nothing_at_all_is_open(scripted_api: ScriptedApi, tmp_path: Path) -> None:
    scripted_api.says("wörld")
    assert shell("midstream tail gen_x <&- >&- 2>&-", tmp_path, MIDSTREAM_URL=scripted_api.url).returncode == 1
    ended = shell("midstream chat <&-", tmp_path, MIDSTREAM_URL=scripted_api.url)
    assert ended.returncode == 2
    assert ended.stderr == "midstream: the prompt is empty; give it as an argument or on stdin\n"


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
@pytest.mark.parametrize("command", ["tail gen_x", "show gen_x"])
def test_a_pipe_gets_utf_8_in_every_locale(
    scripted_api: ScriptedApi, tmp_path: Path, locale: dict[str, str], command: str
) -> None:
    scripted_api.says("wörld 🌍")
    if command.startswith("show"):
        scripted_api.answers.append(Answer(200, {"id": "gen_x", "text": "wörld 🌍"}))
    ended = shell(f"midstream {command}", tmp_path, MIDSTREAM_URL=scripted_api.url, **locale)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("wörld 🌍\n")


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for() -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    drain = subprocess.Popen(["wc", "-c"], stdin=reader, stdout=subprocess.PIPE)
    os.close(reader)
    stream = StandardStream(writer, forgiving=False)
    left = memoryview(bytes(size * 50))
    while left:
        left = left[stream.write(left) :]
    os.close(writer)
    assert drain.communicate(timeout=30)[0].strip() == str(size * 50).encode()


def test_a_failure_is_told_by_what_the_system_says() -> None:
    error = CannotWriteError(OSError(28, "No space left on device"))
    assert (str(error), error.nobody_reads) == ("No space left on device", False)
    assert CannotWriteError(BrokenPipeError(32, "Broken pipe")).nobody_reads
