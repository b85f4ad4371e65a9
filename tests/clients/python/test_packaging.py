"""The library is a distribution of its own, and comes along with Midstream's, as the chat page does."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import midstream_client
from api.routes.assets import KINDS
from hatch_build import FILES
from tests.harness.page_build import page_built
from tests.harness.repository import ROOT

__all__ = ["page_built"]  # a fixture

LIBRARY = ROOT / "clients" / "python"
WEB = ROOT / "api" / "web"
MODULES = {f"midstream_client/{path.name}" for path in (LIBRARY / "midstream_client").iterdir() if path.is_file()}


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def wheel(folder: Path, where: Path) -> Path:
    """Builds the wheel of the project in a folder, without any network."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(where)]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = where.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def own_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library's wheel."""
    return wheel(LIBRARY, tmp_path_factory.mktemp("library"))


def test_its_wheel_has_it_and_nothing_else(own_wheel: Path) -> None:
    with zipfile.ZipFile(own_wheel) as archive:
        names = set(archive.namelist())
        (about,) = [name for name in names if name.endswith("/METADATA")]
        (licence,) = [name for name in names if name.endswith("/LICENSE")]
        metadata = Parser().parsestr(archive.read(about).decode())
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert {name for name in names if ".dist-info/" not in name} == MODULES
    assert "midstream_client/py.typed" in MODULES
    assert metadata["Name"] == "midstream-client"
    assert {Requirement(text).name for text in metadata.get_all("Requires-Dist", [])} == {"anyio", "httpx2"}


def test_it_runs_on_these_alone(own_wheel: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(own_wheel)!r}); import midstream_client as ours; print(ours.__file__);"
        "print(sorted({'api', 'midstream', 'msgspec', 'pydantic', 'redis', 'shared', 'typer'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    where, others = told.stdout.splitlines()
    assert where.startswith(str(own_wheel))
    assert others == "[]"


@pytest.fixture(scope="module")
def midstreams_wheel(page_built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Midstream's."""
    return wheel(ROOT, tmp_path_factory.mktemp("midstream"))


def test_midstreams_wheel_has_it_too(midstreams_wheel: Path) -> None:
    with zipfile.ZipFile(midstreams_wheel) as archive:
        names = set(archive.namelist())
    assert names >= MODULES
    assert not any(name.startswith("clients/") for name in names)


def test_it_has_the_page_and_nothing_that_only_builds_it(midstreams_wheel: Path) -> None:
    with zipfile.ZipFile(midstreams_wheel) as archive:
        page = {name.removeprefix("api/web/") for name in archive.namelist() if name.startswith("api/web/")}
    ours = {str(path.relative_to(WEB)) for path in WEB.iterdir() if path.suffix in KINDS}
    assert page == ours | {"midstream-client.js"} | {f"vendor/{name}" for name in FILES}


def test_what_the_wheel_has_is_served(midstreams_wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(midstreams_wheel) as archive:
        archive.extractall(tmp_path)
    code = "from api.routes import assets; print(assets.__file__); print(*sorted(assets.ASSETS))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    where, names = told.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert {"index.html", "midstream-client.js", "vendor/marked.js", "vendor/highlight.js"} <= set(names.split())
    client = ROOT / "clients" / "javascript" / "src" / "midstream-client.js"
    assert (tmp_path / "api" / "web" / "midstream-client.js").read_bytes() == client.read_bytes()


def test_a_wheel_is_built_of_the_sdist_without_npm(
    midstreams_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None, "an sdist of hatchling has files only"
            (tmp_path / member.name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / member.name).write_bytes(file.read())
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with zipfile.ZipFile(wheel(source, tmp_path / "of it")) as again, zipfile.ZipFile(midstreams_wheel) as archive:
        assert sorted(again.namelist()) == sorted(archive.namelist())


def test_both_agree() -> None:
    library, midstream = project(LIBRARY), project(ROOT)
    assert library["version"] == midstream["version"]
    assert library["requires-python"] == midstream["requires-python"]
    allowed = {Requirement(text).name: Requirement(text).specifier for text in midstream["dependencies"]}
    for requirement in map(Requirement, library["dependencies"]):
        assert allowed[requirement.name] == requirement.specifier


def test_each_public_name_is_there() -> None:
    assert all(hasattr(midstream_client, name) for name in midstream_client.__all__)
