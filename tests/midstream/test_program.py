"""Commands that are printed to be pasted begin as the one that was typed, and run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from midstream.program import beginning
from tests.harness.repository import ROOT
from tests.midstream.scripted_api import Answer, ScriptedApi

BIN = Path(sys.executable).parent


class Shell:
    """A shell beside whose folder the environment is found as `my env`; its PATH has ours first, or not at all."""

    def __init__(self, api: ScriptedApi, folder: Path) -> None:
        self.api = api
        self.folder = folder / "here"
        self.folder.mkdir()
        (folder / "my env").symlink_to(sys.prefix)

    def run(self, line: str, *, on_path: bool = False) -> str:
        """What a line that succeeds says on stderr."""
        path = os.environ.get("PATH", os.defpath).split(os.pathsep)
        path = [str(BIN)] * on_path + [place for place in path if not (Path(place) / "midstream").exists()]
        environment = {"PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=os.environ | environment, capture_output=True, timeout=30
        )
        err = done.stderr.decode()
        assert done.returncode == 0, err
        assert "sk-secret" not in err
        return err


@pytest.fixture
def shell(scripted_api: ScriptedApi, tmp_path: Path) -> Shell:
    return Shell(scripted_api, tmp_path)


@pytest.mark.parametrize(
    ("start", "on_path"),
    [
        ("'../my env/bin/midstream'", False),
        ("'../my env/bin/midstream'", True),
        (shlex.quote(str(BIN / "midstream")), False),
        ("midstream", True),
        (f"'../my env/bin/{Path(sys.executable).name}' -P -m midstream", False),
        (f"{Path(sys.executable).name} -mmidstream", True),
    ],
)
def test_the_next_page_is_asked_for_as_the_first(
    scripted_api: ScriptedApi, shell: Shell, start: str, on_path: bool
) -> None:
    scripted_api.answers.extend([Answer(200, {"data": [], "next": "gen_a"}), Answer(200, {"data": []})])
    said = shell.run(f"{start} list --limit 3 --url {scripted_api.url} --key sk-secret", on_path=on_path)
    older = said.strip().removeprefix("older ones: ")
    assert older == f"{start} list --before gen_a --url {scripted_api.url}"
    shell.run(older, on_path=on_path)
    assert scripted_api.received[-1].path == "/v1/generations?limit=20&before=gen_a"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of another name, in the working directory and not on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    (tmp_path / "ms").write_text("#!/bin/sh\n")
    (tmp_path / "ms").chmod(0o755)
    return tmp_path / "ms"


def test_a_script_by_another_name(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beginning(["./ms", "list"], ["/x/python", "./ms", "list"]) == ["./ms"]
    assert beginning([str(script)], ["/x/python", str(script)]) == [str(script)]
    monkeypatch.setenv("PATH", str(script.parent))
    assert beginning([str(script)], ["/x/python", str(script)]) == ["ms"]


@pytest.mark.parametrize(
    ("argv", "typed"),
    [
        # By name alone an interpreter finds a script where a shell does not.
        ("ms", "python3 ms"),
        # Some file systems call every file a program.
        ("./__main__.py", "python3 -X dev -m midstream"),
        ("-c", "python3 -c pass"),
        # A folder with a __main__.py, and a script that cannot be run by itself.
        ("../", "python3 ../"),
        ("./plain.py", "python3 ./plain.py"),
    ],
)
def test_what_an_interpreter_was_given_begins_with_it(script: Path, argv: str, typed: str) -> None:
    (script.parent / "plain.py").write_text("")
    script.with_name("__main__.py").touch(0o755)
    words = shlex.split(typed)
    assert beginning([argv, "tail", "-m"], [*words, "tail", "-m"]) == words
