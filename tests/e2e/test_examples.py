"""The examples of docs/clients.md run as they stand, but for address and model; each loses its connection."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.conftest import Node
from tests.harness.processes import Process
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.clients import CLIENTS
from tests.judges.sdks.environments import Unavailable, command
from tests.judges.sdks.row import answer_of

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]
module = pytest.mark.asyncio(loop_scope="module")

PAGE: Final = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
EXAMPLES: Final = dict(re.findall(r"<!-- test: (\S+) -->\n```\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
GIVEN: Final = """const [url, key, model] = ["http://127.0.0.1:8000", "your-key", "openai/gpt-5"];
const messages = [{ role: "user", content: "Why is the sky blue?" }];
const show = (text) => console.log(text);
"""
"""What the few lines of the README take for given."""
READMES: Final = {
    name: re.findall(rf"^```{language}\n(.*?)^```", (ROOT / path).read_text("utf-8"), re.DOTALL | re.MULTILINE)[0]
    for name, path, language in (
        ("README.mjs", "README.md", "js"),
        ("javascript.mjs", "clients/javascript/README.md", "js"),
        ("python.py", "clients/python/README.md", "python"),
    )
}
CODE: Final = EXAMPLES | READMES | {"README.mjs": GIVEN + READMES["README.mjs"]}
ADDRESS: Final = "127.0.0.1:8000"
MODEL: Final = "lorem?deltas=60&rate=20&seed=7"
TEXT: Final = answer_of(MODEL).text("text")
PATIENCE: Final = 90
GROWING: Final = frozenset({"event_source.mjs"})
"""Those that print all of the text with each piece of it."""
LINES: Final = frozenset({"fetch.mjs"})
"""Those that print each piece on a line of its own."""
BROWSER: Final = 'import { EventSource } from "eventsource";\nglobalThis.EventSource = EventSource;\n'
"""What a browser has, and Node has not: its own, behind a flag, does not resume after a connection that was reset."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where a `midstream up` listens."""
    folder = tmp_path_factory.mktemp("up")
    words = [sys.executable, "-m", "midstream", "up", "--port", "0", "--data-dir", str(folder / "data")]
    up = Process("up", words, r"ready at http://\S+", folder, {})
    await up.start()
    try:
        yield (await up.said(r"ready at http://(\S+)"))[1]
    finally:
        await up.stop()


def started(name: str, folder: Path, node: Node) -> list[str]:
    """What runs an example; skips where Node's SDKs cannot be had, and are needed."""
    if name.endswith(".py"):
        return [sys.executable, f"example_{name}"]
    packages = node.folder
    if '"midstream-client"' in CODE[name]:
        (folder / "node_modules").mkdir()
        (folder / "node_modules/midstream-client").symlink_to(ROOT / "clients/javascript")
        return [str(node.program), f"example_{name}"]
    if "import " in CODE[name]:
        try:
            packages = command(next(client for client in CLIENTS if client.environment == "node"))[1]
        except Unavailable as error:
            pytest.skip(f"Node's SDKs: {error}")
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "browser.mjs").write_text(BROWSER, encoding="utf-8")
    browser = ["--import", "./browser.mjs"] if "EventSource(" in CODE[name] else []
    return [str(node.program), *browser, f"example_{name}"]


def as_it_stands(name: str, address: str) -> str:
    """The example, asking a simulated model at this address."""
    code = re.sub(r"\b(openai/)?(gpt-5|claude-opus-5-5)\b", lambda found: f"{_provider(found)}{MODEL}", CODE[name])
    assert MODEL in code
    return code.replace(ADDRESS, address)


def _provider(found: re.Match[str]) -> str:
    return "simulator/" if found[1] else ""


async def run(name: str, folder: Path, proxy: Proxy, node: Node) -> str:
    """What it printed; its connections are reset when it has printed something."""
    (folder / f"example_{name}").write_text(as_it_stands(name, proxy.address), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    words = started(name, folder, node)
    child = await asyncio.create_subprocess_exec(
        *words, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            said = await child.stdout.read(1)
            cut = proxy.reset()
            said += await child.stdout.read()
            errors = await child.stderr.read()
            assert await child.wait() == 0, errors.decode()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert cut > 0, "it had no connection"
    return said.decode()


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"curl.sh"}))
@module
async def test_an_example_that_is_cut_has_all_of_the_answer(name: str, base: str, node: Node, tmp_path: Path) -> None:
    host, _, port = base.partition(":")
    async with Proxy("midstream", (host, int(port))).listening() as proxy:
        printed = await run(name, tmp_path, proxy, node)
    if name in GROWING:
        printed = printed.splitlines()[-1]
    if name in LINES:
        printed = printed.replace("\n", "")
    assert printed.rstrip("\n") == TEXT


@pytest.mark.parametrize("name", sorted(READMES))
@module
async def test_what_a_readme_shows_survives_a_cut(name: str, base: str, node: Node, tmp_path: Path) -> None:
    host, _, port = base.partition(":")
    async with Proxy("midstream", (host, int(port))).listening() as proxy:
        printed = await run(name, tmp_path, proxy, node)
    if name in ("README.mjs", "javascript.mjs"):
        printed = printed.splitlines()[-1].removeprefix("completed ")
    else:
        printed = printed.rpartition("completed {")[0]
    assert printed == TEXT


@module
async def test_what_curl_has_of_two_connections_is_the_stream(base: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    (tmp_path / "curl.sh").write_text(as_it_stands("curl.sh", base), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    child = await asyncio.create_subprocess_exec("bash", "-eu", "curl.sh", cwd=tmp_path, env=environment)
    async with asyncio.timeout(PATIENCE):
        assert await child.wait() == 0
    first, rest = ((tmp_path / name).read_bytes() for name in ("first.txt", "rest.txt"))
    assert first.count(b"\n\n") == 10
    name = json.loads(first.partition(b"\n")[0].removeprefix(b"data: "))["id"]
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        whole = await http.get(f"http://{base}/v1/chat/completions/{name}", params={"stream": "true"})
    assert first + rest == whole.content


def test_every_example_is_tried() -> None:
    assert len(re.findall(r"^```(?:python|js|sh)$", PAGE, re.MULTILINE)) == len(EXAMPLES) == 12
