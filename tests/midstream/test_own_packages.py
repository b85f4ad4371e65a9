"""A user's own folders and files named as our packages are: where Midstream is started, and on PYTHONPATH."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from midstream.own_packages import PACKAGE_NAMES
from tests.harness.repository import ROOT
from tests.midstream.conftest import Kind, users_own

MODULE = [sys.executable, "-m", "midstream"]
SCRIPT = [str(Path(sys.executable).parent / "midstream")]


def run(command: list[str], folder: Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command in this folder, with nothing on PYTHONPATH but what is given."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("start", "path", "kind"),
    [
        (MODULE, "", "package"),
        (MODULE, "", "file"),
        (MODULE, ".", "package"),
        (MODULE, ".", "folder"),
        (MODULE, "absolute", "file"),
        (SCRIPT, ".", "package"),
        (SCRIPT, ".", "file"),
        (SCRIPT, "absolute", "package"),
    ],
)
def test_ours_win(tmp_path: Path, start: list[str], path: str, kind: Kind) -> None:
    users_own(tmp_path, kind)
    environment = {"PYTHONPATH": str(tmp_path) if path == "absolute" else path} if path else {}
    _, out, err = run([*start, "doctor"], tmp_path, **environment)
    assert err == ""
    assert out.startswith("ok   Python")


@pytest.mark.parametrize("start", [MODULE, SCRIPT], ids=["module", "script"])
def test_our_api_wins(tmp_path: Path, start: list[str]) -> None:
    users_own(tmp_path, "package")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = run([*start, "api", "--port", port], tmp_path, PYTHONPATH=".")
    assert (code, out) == (2, "")
    assert f"cannot listen on 127.0.0.1 port {port}" in err.splitlines()[-1]


def test_ours_win_where_the_working_directory_is_not_searched(tmp_path: Path) -> None:
    users_own(tmp_path, "package")
    _, out, err = run([*MODULE, "doctor"], tmp_path, PYTHONSAFEPATH="1", PYTHONPATH=".")
    assert err == ""
    assert out.startswith("ok   Python")


def test_what_was_imported_before_us_gives_way(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("")
    (tmp_path / "shared" / "config").mkdir(parents=True)
    for name in ("__init__.py", "config/__init__.py", "config/settings.py"):
        (tmp_path / "shared" / name).write_text("")
    (tmp_path / "sitecustomize.py").write_text("import shared.config.settings, worker\nprint(shared.__file__)\n")
    code = (
        "import midstream, shared.config.settings, worker.main; print(shared.config.settings.__file__, worker.__file__)"
    )
    status, out, err = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(tmp_path))
    assert (status, err) == (0, "")
    before, after = out.splitlines()
    assert str(tmp_path) in before
    assert str(tmp_path) not in after


def test_ours_that_was_imported_before_stays(tmp_path: Path) -> None:
    settings = "shared.config.settings"
    code = f"import {settings} as before, midstream, {settings}; print({settings} is before)"
    assert run([sys.executable, "-c", code], tmp_path) == (0, "True\n", "")


def test_only_our_names_are_ours(tmp_path: Path) -> None:
    """The order of `sys.path` stays as it was: a user's module of any other name is found where it was."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("")
    code = "import sys; before = sys.path[:]; import midstream, tests; print(sys.path == before, tests.__file__)"
    status, out, err = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(tmp_path))
    assert (status, out, err) == (0, f"True {tmp_path / 'tests' / '__init__.py'}\n", "")


def test_each_package_that_is_shipped_has_its_name_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert PACKAGE_NAMES | {"midstream"} == {Path(package).name for package in packages}
