"""What the chat page takes from npm, as tests need it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import WAY_OUT
from tests.harness.ports import free_port
from tests.harness.repository import ROOT


@pytest.fixture(scope="session")
def page_built() -> None:
    """It is built in this repository; skips where that cannot be."""
    build = [sys.executable, str(ROOT / "hatch_build.py")]
    done = subprocess.run(build, env=os.environ | WAY_OUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr.splitlines()[0])


def run(clone: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Let Python do something there, in an empty home."""
    told = {name: value for name, value in os.environ.items() if not name.lower().startswith("npm_")}
    return subprocess.run(
        [sys.executable, *words],
        cwd=clone,
        env=told | WAY_OUT | {"npm_config_cache": str(clone.parent / "npm")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def refusing() -> dict[str, str]:
    """Registries that nobody answers for."""
    nobody = f"http://127.0.0.1:{free_port()}"
    return {"npm_config_registry": nobody, "PIP_INDEX_URL": nobody, "PIP_CONFIG_FILE": os.devnull}
