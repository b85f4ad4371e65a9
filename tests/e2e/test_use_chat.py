"""`useChat` of `@ai-sdk/react`, versions 7 and 6 of the AI SDK, in a browser at two APIs: what a page goes through."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.e2e.pages import serving
from tests.harness.browser import Browser, other_tab, until
from tests.harness.node_packages import built, node_with
from tests.harness.processes import Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.row import answer_of

pytestmark = [
    pytest.mark.node,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),  # the first one installs and builds
]

EXAMPLE: Final = re.findall(
    r"<!-- page: use_chat.jsx -->\n```jsx\n(.*?)^```",
    (ROOT / "docs/clients.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)[0]
USED: Final = """
import { createRoot } from "react-dom/client";
createRoot(document.body).render(<Chat id="documented" messages={[]} />);
"""
FOLDER: Final = Path(__file__).parent / "browser"
MODEL: Final = "lorem?deltas=60&rate=20&seed=7"
TEXT: Final = answer_of(MODEL).text("text")
PIXEL: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
both = pytest.mark.parametrize("version", [7, 6])


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Where the pages are: an origin of its own."""
    node = node_with(FOLDER)
    source = FOLDER / "use_chat.jsx"
    output = FOLDER / "node_modules" / ".pages"
    for version in (7, 6):
        old = [] if version == 7 else ["--alias:@ai-sdk/react=@ai-sdk/react-6", "--alias:ai=ai-6"]
        defined = [f"--define:VERSION={version}", '--define:process.env.NODE_ENV="development"']
        shape = ["--bundle", "--jsx=automatic", "--format=esm"]
        script = output / f"use_chat_{version}.js"
        built(node, [source], script, "esbuild", str(source), *shape, *defined, *old, f"--outfile={script}")
        page = f'<!doctype html><meta charset="utf-8"><body><script type="module" src="{script.name}"></script>'
        script.with_suffix(".html").write_text(page)
    with serving(output) as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(origin: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs, whose pages of that origin may use them, and two workers; leases outlast an image of 20 MB."""
    settings = {"MIDSTREAM_CORS_ORIGINS": origin, "MIDSTREAM_LEASE": "10"}
    async with Stack(tmp_path_factory.mktemp("stack"), apis=2, workers=2, environment=settings) as running:
        yield running


class Opener:
    """Opens pages of one version."""

    def __init__(self, browser: Browser, origin: str, version: int) -> None:
        self._browser, self._address = browser, f"{origin}/use_chat_{version}.html"

    async def __call__(self, api: str, *, id: str = "", tools: dict[str, Any] | None = None, **body: Any) -> Page:
        """A page whose chat is at this API."""
        body = {"model": f"simulator/{MODEL}"} | body
        told = {"api": f"{api}/api/chat", "id": id or secrets.token_hex(8), "body": body, "tools": tools or {}}
        page = await self._browser.page(f"{self._address}#{quote(json.dumps(told))}")
        await until(page, "window.chat?.status === 'ready'")
        return page


@pytest.fixture
def opened(browser: Browser, origin: str, version: int) -> Opener:
    return Opener(browser, origin, version)


async def send(page: Page, text: str, **more: Any) -> None:
    await page.evaluate(f"void chat.sendMessage({json.dumps({'text': text} | more)})")


async def begun(page: Page) -> str:
    """What the answer says once it has some words."""
    return str(await until(page, "chat.text.split(' ').length > 5 && chat.text"))


async def ready(page: Page) -> dict[str, Any]:
    """The last message, when all has been said."""
    await until(page, "['ready', 'error'].includes(chat.status) && chat.messages.at(-1).role === 'assistant'")
    assert await page.evaluate("chat.error?.message ?? chat.status") == "ready"
    message: dict[str, Any] = await page.evaluate("chat.messages.at(-1)")
    return message


async def native(stack: Stack, message: dict[str, Any]) -> dict[str, Any]:
    """The snapshot of the generation that a message came from last."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        found = await http.get(f"{stack.apis[1].url}/v1/generations/{message['metadata']['generation']}")
        snapshot: dict[str, Any] = found.json()
        return snapshot


@both
async def test_a_page_that_is_loaded_anew_goes_on_at_another_api(opened: Opener, stack: Stack) -> None:
    async with Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy:
        page = await opened(f"http://{proxy.address}")
        await send(page, "Go.")
        said = await begun(page)
        proxy.upstream = ("127.0.0.1", stack.apis[1].port)
        await page.reload()
        await until(page, "window.chat?.text")
        message = await ready(page)
        # The page kept no question; what answers it is there, once, although React mounts all twice.
        assert await page.evaluate("chat.messages.length") == 1
    assert TEXT.startswith(said)
    assert await page.evaluate("chat.text") == TEXT
    assert message["id"] == (await native(stack, message))["id"].replace("gen_", "msg_")


@both
async def test_stop_is_for_all_pages(opened: Opener, stack: Stack) -> None:
    here, there = (api.url for api in stack.apis)
    page = await opened(here, id="two tabs", model="simulator/lorem?deltas=4000&rate=40")
    await send(page, "Go.")
    await begun(page)
    # Another page comes back to what runs, so it is never ready before.
    other = await other_tab(page)
    await until(other, "window.chat?.status === 'streaming'")
    await other.evaluate(f"fetch('{there}/api/chat/two%20tabs/stop', {{ method: 'POST' }}).then((a) => a.status)")
    message, same = await ready(page), await ready(other)
    said = await native(stack, message)
    assert said["state"] == "cancelled"
    assert await page.evaluate("chat.text") == await other.evaluate("chat.text") == said["text"]
    assert message["id"] == same["id"]


@both
async def test_a_cut_is_an_error_and_is_resumed(opened: Opener, stack: Stack) -> None:
    async with Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy:
        page = await opened(f"http://{proxy.address}")
        await send(page, "Go.")
        said = await begun(page)
        assert proxy.reset() > 0
        await until(page, "chat.status === 'error'")
        assert await page.evaluate("chat.error instanceof TypeError")
        await page.evaluate("chat.resumeStream({ metadata: { cut: true } })")
        await ready(page)
    assert TEXT.startswith(said)
    assert await page.evaluate("chat.text") == TEXT
    assert await page.evaluate("chat.messages.length") == 2


@both
async def test_a_worker_killed_in_mid_answer(opened: Opener, stack: Stack) -> None:
    """What was said is void: the stream breaks, and the same message is written anew."""
    page = await opened(stack.apis[0].url, on_interrupt="restart")
    await send(page, "Go.")
    await begun(page)
    for worker in stack.workers:
        await worker.kill()
    for worker in stack.workers:
        await worker.start()
    await until(page, "chat.status === 'error'")
    assert await page.evaluate("chat.error instanceof TypeError"), await page.evaluate("chat.error.message")
    await page.evaluate("chat.resumeStream({ metadata: { cut: true } })")
    message = await ready(page)
    assert await page.evaluate("chat.text") == TEXT
    assert len((await native(stack, message))["attempts"]) == 2


@both
async def test_reasoning_tools_and_files(opened: Opener, stack: Stack) -> None:
    weather = {"get_weather": {"description": "The weather.", "inputSchema": {"type": "object"}}}
    page = await opened(stack.apis[0].url, tools={"get_weather": {"degrees": 21}})
    more: dict[str, Any] = {"model": "simulator-anthropic/reasoning?deltas=12&rate=0"}
    await page.evaluate(f"chat.sendMessage({{ text: 'Think.' }}, {{ body: {json.dumps(more)} }})")
    message = await ready(page)
    [thought] = [part for part in (await native(stack, message))["parts"] if part["kind"] == "reasoning"]
    assert await page.evaluate("chat.parts('reasoning').map((part) => part.text)") == [thought["text"]]
    more = {"model": "simulator/demo?rate=0", "tools": weather}
    await page.evaluate(f"void chat.sendMessage({{ text: 'Use a tool: get_weather' }}, {{ body: {json.dumps(more)} }})")
    await until(page, "chat.parts('tool-get_weather').at(-1)?.state === 'output-available'")
    [call] = await page.evaluate("chat.parts('tool-get_weather')")
    assert call["output"] == {"degrees": 21}
    await until(page, "chat.status === 'ready' && chat.text")
    more = {"model": "simulator/lorem?deltas=3&rate=0&quirk=large-image"}
    files = [{"type": "file", "mediaType": "image/png", "url": PIXEL}]
    await page.evaluate(
        f"chat.sendMessage({json.dumps({'text': 'Draw.', 'files': files})}, {{ body: {json.dumps(more)} }})"
    )
    await ready(page)
    assert await page.evaluate("chat.parts('file').map((part) => part.url.slice(0, 22))") == ["data:image/png;base64,"]


@both
async def test_errors_say_what_to_do(opened: Opener, stack: Stack) -> None:
    page = await opened(stack.apis[0].url, model="nowhere/lorem")
    await send(page, "Go.")
    await until(page, "chat.status === 'error'")
    assert str(await page.evaluate("chat.error.message")).startswith("No such model.")
    page = await opened(stack.apis[0].url, model="simulator/lorem?deltas=9&rate=0&fault=error@3", on_interrupt="fail")
    await send(page, "Go.")
    await until(page, "chat.status === 'error'")
    assert not await page.evaluate("chat.error instanceof TypeError"), "it would be taken for a cut"
    assert await page.evaluate("chat.text")


async def test_the_example_of_the_docs_is_cut_and_stopped_at_a_server_that_wants_a_key(
    browser: Browser, tmp_path: Path
) -> None:
    node, script = node_with(FOLDER), FOLDER / "node_modules" / ".pages" / "documented.jsx"
    script.parent.mkdir(exist_ok=True)
    with serving(tmp_path) as origin:
        settings = {"MIDSTREAM_CORS_ORIGINS": origin, "MIDSTREAM_API_KEYS": "me:your-key"}
        async with (
            Stack(tmp_path / "stack", apis=1, environment=settings) as stack,
            Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy,
        ):
            code = EXAMPLE.replace("127.0.0.1:8000", proxy.address).replace("openai/gpt-5-mini", f"simulator/{MODEL}")
            used = "window.chat = { messages, sendMessage, stop, status }; return null;"
            script.write_text(code.replace("// …", used) + USED, encoding="utf-8")
            words = ["--bundle", "--jsx=automatic", "--format=esm", '--define:process.env.NODE_ENV="development"']
            output = tmp_path / "documented.js"
            built(node, [script], output, "esbuild", str(script), *words, f"--outfile={output}")
            (tmp_path / "page.html").write_text(
                '<!doctype html><body><script type="module" src="documented.js"></script>'
            )
            page = await browser.page(f"{origin}/page.html")
            text = "(chat.messages.at(-1)?.parts.findLast((part) => part.type === 'text')?.text ?? '')"
            for stops in (False, True):
                await until(page, "window.chat?.status === 'ready'")
                await send(page, "Go.")
                await until(page, "chat.messages.at(-1).role === 'assistant'")
                await until(page, f"{text}.split(' ').length > 5")
                if stops:
                    assert await page.evaluate("chat.stop().then((answer) => answer.status)") == 204
                else:
                    assert proxy.reset() > 0
                    await until(page, "chat.status !== 'streaming'")
                await until(page, "chat.status === 'ready'")
                assert (await page.evaluate(text) == TEXT) is not stops
