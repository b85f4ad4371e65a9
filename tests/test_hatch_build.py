"""What the chat page takes from npm: built once, by npm wherever it comes from; and what comes of a registry's no."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatch_build
from tests.harness.page_build import refusing, run
from tests.harness.repository import ROOT

COPIED = (
    *("hatch_build.py", "pyproject.toml", "README.md", "LICENSE"),
    *(f"api/web/{name}" for name in ("package.json", "package-lock.json", ".npmrc", "requirements-node.lock")),
    *("api/__init__.py", "clients/javascript/src/midstream-client.js"),
)
NPM = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tree that has what a build needs, and nothing built."""
    clone = tmp_path / "a clone"
    for name in COPIED:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    return clone


def built(clone: Path) -> set[str]:
    folder = clone / "api" / "web" / "vendor"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@NPM
def test_it_is_built_once(clone: Path) -> None:
    done = run(clone, "hatch_build.py")
    if done.returncode != 0:
        pytest.skip(done.stderr.splitlines()[0])
    assert built(clone) == {*hatch_build.FILES, "built"}
    assert "as marked" in (clone / "api/web/vendor/marked.js").read_text()
    assert "export" in (clone / "api/web/vendor/highlight.js").read_text()
    # What is there is not asked for again, and npm not even needed.
    again = run(clone, "hatch_build.py", PATH="", **refusing())
    assert (again.returncode, again.stderr) == (0, "")
    # Another lock asks for something else; what was there stays until that is there.
    lock = clone / "api/web/package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    assert run(clone, "hatch_build.py", **refusing()).returncode == 1
    assert built(clone) == {*hatch_build.FILES, "built"}
    assert run(clone, "hatch_build.py").returncode == 0


@pytest.mark.slow
def test_without_node_it_is_built_by_a_package_that_has_it(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(clone, "hatch_build.py", PATH=str(tmp_path / "empty"))
    if done.returncode != 0 and "pip install failed" in done.stderr:
        pytest.skip(done.stderr.splitlines()[0])
    assert done.returncode == 0, done.stderr
    assert built(clone) == {*hatch_build.FILES, "built"}


@pytest.mark.parametrize("path", [pytest.param(None, marks=NPM, id="npm"), pytest.param("", id="no npm")])
def test_a_registry_that_refuses_stops_nothing_that_only_tries(clone: Path, path: str | None) -> None:
    environment = refusing() | ({} if path is None else {"PATH": path})
    tried = run(clone, "hatch_build.py", "--try", **environment)
    why, advice = tried.stderr.splitlines()
    assert (tried.returncode, advice) == (0, "The page shows text as it is. Build what it lacks: make page")
    assert "could not be built (" in why
    assert "127.0.0.1" not in tried.stderr
    must = run(clone, "hatch_build.py", **environment)
    assert must.returncode == 1
    assert built(clone) == set()


@NPM
@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_a_package_is_not_built_without(clone: Path, tmp_path: Path, target: str) -> None:
    words = ("-m", "hatchling", "build", "--target", target, "--directory", str(tmp_path / "made"))
    done = run(clone, *words, **refusing())
    assert done.returncode != 0
    assert f"BuildError: {hatch_build.FAILED} (npm ci failed: ECONNREFUSED). {hatch_build.NEEDED}" in done.stderr
    assert not list(tmp_path.glob("made/*"))


def test_an_editable_install_needs_nothing(clone: Path, tmp_path: Path) -> None:
    code = f"from hatchling.build import build_editable; build_editable({str(tmp_path)!r})"
    done = run(clone, "-c", code, PATH="", **refusing())
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("midstream-*.whl"))


@pytest.fixture
def silence() -> Iterator[str]:
    """A registry that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@NPM
def test_a_registry_that_is_silent_is_given_up(
    clone: Path, silence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    web = clone / "api" / "web"
    for name, path in (("WEB", web), ("VENDOR", web / "vendor"), ("BUILT", web / "vendor" / "built")):
        monkeypatch.setattr(hatch_build, name, path)
    monkeypatch.setenv("npm_config_registry", silence)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(hatch_build.BuildError, match="npm ci did not end in time"):
        hatch_build.build(2.0)
    assert built(clone) == set()
