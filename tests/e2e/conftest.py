"""A running Midstream that the tests of a module share."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright import async_api

from tests.conftest import LITELLM
from tests.e2e.viewers import DEADLINE
from tests.harness.browser import Browser, chromium
from tests.harness.node_packages import Node as Node
from tests.harness.node_packages import node_with
from tests.harness.processes import Process, Stack

FOLDER = Path(__file__).parent / "node"
AIMOCK_KEY = "key-of-the-operator"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs and two workers on one Redis, and the simulator."""
    # 100 generations at a time are more than one worker may take.
    # A machine that is busy must not lose its workers.
    limit = {"MIDSTREAM_CONCURRENCY": "60", "MIDSTREAM_LEASE": "8"}
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_browser() -> AsyncIterator[async_api.Browser]:
    """A browser that the tests of a module share."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def browser(running_browser: async_api.Browser) -> AsyncIterator[Browser]:
    """Users of the browser, for one test, which fails where a page of theirs does something wrong."""
    browser = Browser(running_browser)
    yield browser
    await browser.close()
    browser.check()


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
    return node_with(FOLDER)
