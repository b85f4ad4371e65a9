"""The JavaScript client in Chromium: cuts, reloads, and the network that goes and comes back."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.pages import serving, until_words
from tests.harness.browser import Browser, until
from tests.harness.node_packages import node_with
from tests.harness.processes import Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.row import answer_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

FILES: Final = (ROOT / "tests/e2e/browser/follow.html", ROOT / "clients/javascript/src/midstream-client.js")
MODEL: Final = "lorem?deltas=80&rate=20&seed=7"
TEXT: Final = answer_of(MODEL).text("text")
ANSWER: Final = "#answer"
PARAGRAPH: Final = "article:last-of-type p >> nth=0"
MAIN: Final = """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Chat } from "./chat.jsx";

const chat = <StrictMode><Chat id={location.hash.slice(1)} /></StrictMode>;
createRoot(document.querySelector("#root")).render(chat);
"""


class Site:
    """The page's address, and what stands between it and Midstream."""

    def __init__(self, origin: str, folder: Path, proxy: Proxy) -> None:
        self.origin, self.folder, self.proxy = origin, folder, proxy

    async def opened(self, browser: Browser) -> Page:
        """A page whose answer has begun."""
        page = await browser.page(f"{self.origin}/follow.html?server=http://{self.proxy.address}")
        await page.click("#send")
        await until_words(page.locator(ANSWER), 5)
        return page


async def has_all(page: Page) -> None:
    """Wait for the end: the text is whole, and no event came twice."""
    await until(page, "window.state === 'completed'")
    assert await page.text_content(ANSWER) == TEXT
    assert await page.evaluate("new Set(window.seen).size === window.seen.length")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The page at an origin of its own, and two APIs that let it ask."""
    folder = tmp_path_factory.mktemp("page")
    for file in FILES:
        shutil.copy(file, folder)
    with serving(folder) as origin:
        settings = {"MIDSTREAM_CORS_ORIGINS": origin, "MIDSTREAM_DEFAULT_MODEL": f"simulator/{MODEL}"}
        async with (
            Stack(tmp_path_factory.mktemp("stack"), apis=2, environment=settings) as stack,
            Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy,
        ):
            yield Site(origin, folder, proxy)


async def test_a_cut_in_the_middle_loses_and_repeats_nothing(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    assert site.proxy.reset() > 0
    await has_all(page)
    assert await page.evaluate("window.connections.filter((state) => state === 'open').length") > 1


async def test_a_reload_in_the_middle_goes_on_with_what_was_kept(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    await page.reload()
    await until_words(page.locator(ANSWER), 10)
    await page.reload()
    await has_all(page)


async def test_a_network_that_is_back_is_used_at_once(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    # A pause that only the network's return can end.
    await page.evaluate("Math.random = () => 1")
    await page.evaluate("{ const wait = setTimeout; window.setTimeout = (call, ms) => wait(call, ms * 1000); }")
    await page.context.set_offline(True)
    site.proxy.reset()
    await until(page, "window.connections.at(-1) === 'waiting' || window.connections.at(-1) === 'unreachable'")
    await page.context.set_offline(False)
    await has_all(page)


@pytest.fixture
def chat(site: Site, tmp_path: Path) -> str:
    """The address of the chat of docs/clients.md as it stands, but for address and model, bundled with React."""
    node = node_with(ROOT / "tests/e2e/browser")
    modules = tmp_path / "node_modules"
    for name in ("src", "package.json"):
        source, target = ROOT / "clients/javascript" / name, modules / "midstream-client" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    for name in ("react", "react-dom", "scheduler"):
        (modules / name).symlink_to(node.folder / "node_modules" / name)
    page = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"<!-- page: chat.jsx -->\n```jsx\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(example.splitlines()) <= 24
    example = example.replace("127.0.0.1:8000", site.proxy.address).replace("openai/gpt-5", f"simulator/{MODEL}")
    (tmp_path / "chat.jsx").write_text(example, encoding="utf-8")
    (tmp_path / "main.jsx").write_text(MAIN, encoding="utf-8")
    words = [
        "--bundle",
        "--preserve-symlinks",
        "--jsx=automatic",
        "--format=esm",
        f"--outfile={tmp_path / 'main.js'}",
    ]
    esbuild = node.folder / "node_modules/.bin/esbuild"
    defined = '--define:process.env.NODE_ENV="development"'
    done = subprocess.run(
        [esbuild, "main.jsx", *words, defined], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shutil.copy(tmp_path / "main.js", site.folder / "main.js")
    (site.folder / "react.html").write_text('<!doctype html><div id="root"></div><script src="main.js"></script>')
    return f"{site.origin}/react.html"


async def test_react_in_twenty_lines_is_cut_and_loaded_anew_and_a_second_device_sees_all(
    browser: Browser, site: Site, chat: str
) -> None:
    pages = [await browser.page(f"{chat}#trip"), await browser.page(f"{chat}#trip")]
    await pages[0].fill("input", "Why is the sky blue?")
    await pages[0].click("form button")
    await until_words(pages[0].locator(PARAGRAPH), 5)
    site.proxy.reset()
    for page in pages:
        await page.reload()
    for page in pages:
        await expect(page.locator(PARAGRAPH)).to_have_text(TEXT)
        await expect(page.locator("h2")).to_have_text("Why is the sky blue?")
    await pages[1].fill("input", "And at night?")
    await pages[1].click("form button")
    for page in pages:
        await expect(page.locator("article")).to_have_count(2)
        await expect(page.locator(PARAGRAPH)).not_to_be_empty()
        await expect(page.locator("article h2").nth(1)).to_have_text("And at night?")
    await pages[0].get_by_role("button", name="Stop").click()
    for page in pages:
        await expect(page.locator("button")).to_have_count(1)
