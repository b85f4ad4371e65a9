"""Browsers without a key: the example of docs/access.md through a cut, and what a proxy's logs have of it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.conftest import Node
from tests.harness.ports import free_port
from tests.harness.processes import Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.row import answer_of
from tests.mended import proxies

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PAGE: Final = (ROOT / "docs/access.md").read_text(encoding="utf-8")
KEY: Final = "ann-0123456789abcdef"
BEARER: Final = {"Authorization": f"Bearer {KEY}"}
MODEL: Final = "simulator/lorem?deltas=60&rate=20&seed=7"
PATIENCE: Final = 90
BROWSER: Final = 'import { EventSource } from "eventsource";\nglobalThis.EventSource = EventSource;\n'
"""What a browser has, and Node has not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs that want a key."""
    settings = {"MIDSTREAM_API_KEYS": f"ann:{KEY}"}
    async with Stack(tmp_path_factory.mktemp("keyed"), apis=2, environment=settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A client that is no browser: it keeps no cookie of its own."""
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        yield client


async def asked(http: httpx2.AsyncClient, root: str, model: str = MODEL) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "Go."}]}
    return str((await http.post(f"{root}/v1/generations", json=body, headers=BEARER)).json()["id"])


@pytest.mark.node
@pytest.mark.parametrize("name", ["conversation_events.mjs", "event_source.mjs"])
async def test_an_example_that_is_cut_has_all_of_the_answer(
    stack: Stack, node: Node, tmp_path: Path, name: str
) -> None:
    examples = dict(re.findall(r"<!-- test: (\S+) -->\n```js\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    assert len(examples) == PAGE.count("```js") == 2
    code = examples[name].replace("KEY", KEY).replace("openai/gpt-5", MODEL)
    (tmp_path / "node_modules").symlink_to(node.folder / "node_modules")
    (tmp_path / "browser.mjs").write_text(BROWSER, encoding="utf-8")
    async with Proxy("midstream", ("127.0.0.1", stack.apis[1].port)).listening() as proxy:
        (tmp_path / name).write_text(code.replace("127.0.0.1:8000", proxy.address), encoding="utf-8")
        words = [str(node.program), "--import", "./browser.mjs", name]
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        child = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, env=clean, stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                said = await child.stdout.read(1)
                assert proxy.reset() > 0
                said += await child.stdout.read()
                assert await child.wait() == 0
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    text = answer_of(MODEL.partition("/")[2]).text("text")
    assert said.decode().rstrip("\n").endswith(text)


async def test_a_link_that_is_revoked_at_one_node_is_cut_at_the_other(stack: Stack, http: httpx2.AsyncClient) -> None:
    one, other = (api.url for api in stack.apis)
    generation_id = await asked(http, one, "simulator/lorem?deltas=100000&rate=20")
    address = f"{one}/v1/generations/{generation_id}/share"
    link = (await http.post(address, headers=BEARER)).json()
    events = f"{other}/s/{link['url'].rpartition('/')[2]}/events"
    async with http.stream("GET", events) as watching:
        assert watching.status_code == 200
        pieces = watching.aiter_raw()
        await anext(pieces)
        assert (await http.delete(f"{address}/{link['id']}", headers=BEARER)).status_code == 204
        with pytest.raises(httpx2.HTTPError):  # no end of a body: a cut
            async for _ in pieces:
                pass
    assert (await http.get(events)).status_code == 404
    assert (await http.delete(f"{one}/v1/generations/{generation_id}", headers=BEARER)).status_code == 204


@pytest.mark.skipif(proxies.program("nginx") is None, reason="needs nginx")
async def test_the_shipped_nginx_logs_no_link_and_no_token_and_tells_of_tls(
    stack: Stack, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    folder, port = tmp_path / "nginx", free_port()
    started = await asyncio.to_thread(proxies.nginx, folder, [api.port for api in stack.apis], port)
    root = f"http://127.0.0.1:{port}"
    try:
        generation_id = await asked(http, root)
        here = f"{root}/v1/generations/{generation_id}"
        token = (await http.post(f"{here}/token", headers=BEARER)).json()["token"]
        url = (await http.post(f"{here}/share", headers=BEARER)).json()["url"]
        assert url.startswith(f"{root}/s/")
        secret = url.rpartition("/")[2]
        for address in (url, f"{url}/events", f"{here}/events?token={token}"):
            answer = await http.get(address)
            assert answer.status_code == 200, address
        wrong = (f"{root}/app/s/%22{secret}", f"{here}/events%3Ftoken={token}", f"{here}%3Ftoken={token}")
        for address in wrong:
            assert (await http.get(address)).status_code in (401, 404), address
        plain = {"Host": "chat.example.com", "X-Forwarded-Proto": "https"}  # what a client says of it does not count
        refused = await http.post(f"{root}/v1/session", headers=BEARER | plain)
        assert (refused.status_code, refused.json()["code"]) == (400, "insecure_session")
        await asyncio.gather(*(api.kill() for api in stack.apis))
        for address in (url, f"{url}/events", f"{here}/events?token={token}", *wrong):
            assert (await http.get(address)).status_code == 502
    finally:
        started.terminate()
        await asyncio.to_thread(started.wait, 10)
        await asyncio.gather(*(api.start() for api in stack.apis if not api.running))
    logged = "".join(path.read_text() for path in (folder / "access.log", folder / "error.log", folder / "log"))
    assert logged.count('"GET /s/-" 200') == 2
    assert '"GET -" 404' in logged
    assert f'"GET /v1/generations/{generation_id}/events" 200' in logged
    assert secret not in logged
    assert token not in logged
    ours = "".join(api.output.read_text() for api in stack.apis)
    assert '"GET /s/…/events HTTP' in ours
    assert secret not in ours
    assert token not in ours
