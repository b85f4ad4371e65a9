"""A running Midstream that the tests of a module share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
import pytest_asyncio

from tests.conftest import LITELLM, WAY_OUT
from tests.e2e.viewers import DEADLINE
from tests.harness.processes import Process, Stack

FOLDER = Path(__file__).parent / "node"
NODE = (20, 15)
AIMOCK_KEY = "key-of-the-operator"
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH")


class Node(NamedTuple):
    """The program, and the folder with the scripts and their packages."""

    program: Path
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs and two workers on one Redis, and the simulator."""
    # 100 generations at a time are more than one worker may take.
    limit = {"MIDSTREAM_CONCURRENCY": "60"}
    async with Stack(tmp_path_factory.mktemp("stack"), apis=2, workers=2, environment=limit) as running:
        yield running


@pytest.fixture
def shown(stack: Stack) -> Iterator[None]:
    """What the processes said during the test is part of its report."""
    yield
    stack.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """For requests that end by themselves."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False, limits=limits) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aimock(node: Node, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """The server; it asks for a key, and refuses what no fixture matches."""
    cli = node.folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    options = ["--port", "0", "--fixtures", str(node.folder / "fixtures.json"), "--strict", "--validate-on-load"]
    process = Process(
        "aimock",
        [str(node.program), str(cli), *options],
        r"listening on (\S+)",
        tmp_path_factory.mktemp("aimock"),
        {"AIMOCK_API_KEYS": AIMOCK_KEY},
    )
    await process.start()
    yield process
    await process.stop()


@pytest.fixture(scope="session")
def litellm() -> str:
    """LiteLLM's command; skips where it is not installed: it is too heavy to be one of our dependencies."""
    program = LITELLM or shutil.which("litellm")
    if program is None:
        pytest.skip('no litellm on the PATH; pip install "litellm[proxy]" elsewhere and set MIDSTREAM_LITELLM to it')
    return program


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js with the packages of tests/e2e/node; skips where it or the package registry is missing."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("Node.js with npm is not installed")
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    if tuple(int(part) for part in version[1:].split(".")[:2]) < NODE:
        pytest.skip(f"Node.js is {version}, older than the packages of tests/e2e/node want")
    lock, installed = (FOLDER / "package-lock.json").read_text(), FOLDER / "node_modules" / ".installed"
    if not installed.exists() or installed.read_text() != lock:
        _npm_ci(npm)
        installed.write_text(lock)
    return Node(Path(program), FOLDER)


def _npm_ci(npm: str) -> None:
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000"]
    try:
        result = subprocess.run(
            command, cwd=FOLDER, env=os.environ | WAY_OUT, capture_output=True, text=True, timeout=100, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci did not come to an end: no package registry")
    if result.returncode != 0 and any(code in result.stderr for code in UNREACHABLE):
        pytest.skip("npm ci reached no package registry")
    assert result.returncode == 0, result.stderr
