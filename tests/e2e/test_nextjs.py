"""The example of Next.js in a browser: reloads, stops, cuts and crashes in the middle of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.pages import ask, until_words
from tests.harness.browser import POLL_S, Browser
from tests.harness.node_packages import built, node_with
from tests.harness.ports import free_port
from tests.harness.processes import Process, Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.row import answer_of

pytestmark = [
    pytest.mark.node,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(420),  # the first one installs and builds
]

EXAMPLE: Final = ROOT / "clients/examples/nextjs"
KEY: Final = "shop-0123456789abcdef"
MODEL: Final = "lorem?deltas=60&rate=20&seed=7"
TEXT: Final = answer_of(MODEL).text("text")
ANSWERS: Final = "article.assistant"
STATE: Final = "#state"


class Site(NamedTuple):
    """The example's server, before which nothing stands, and what stands before Midstream."""

    url: str
    server: Process
    proxy: Proxy
    stack: Stack

    async def conversation(self, chat: str) -> dict[str, Any]:
        """What Midstream has of a chat."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            address = f"{self.stack.apis[1].url}/v1/conversations/{chat}"
            answer = await http.get(address, headers={"Authorization": f"Bearer {KEY}"})
            found: dict[str, Any] = answer.raise_for_status().json()
            return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The example as it is deployed, in front of two APIs and two workers."""
    node = node_with(EXAMPLE)
    sources = [
        file for folder in ("app", "lib") for file in (EXAMPLE / folder).rglob("*.js*")
    ] + [EXAMPLE / "next.config.mjs", EXAMPLE / "package.json"]  # fmt: skip
    built(node, sources, EXAMPLE / ".next", "next", "build")
    folder, port = tmp_path_factory.mktemp("nextjs"), free_port()
    environment = {"MIDSTREAM_API_KEYS": f"shop:{KEY}"}
    async with (
        Stack(folder, apis=2, workers=2, environment=environment) as stack,
        Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy,
    ):
        words = [str(node.program), str(EXAMPLE / "node_modules/next/dist/bin/next"), "start", str(EXAMPLE)]
        settings = {
            "MIDSTREAM_URL": f"http://{proxy.address}",
            "MIDSTREAM_KEY": KEY,
            "MODEL": f"simulator/{MODEL}",
            "NEXT_TELEMETRY_DISABLED": "1",
        }
        options = ["--hostname", "127.0.0.1", "--port", str(port)]
        server = Process("next", [*words, *options], r"Ready in", folder, settings)
        await server.start()
        try:
            yield Site(f"http://127.0.0.1:{port}", server, proxy, stack)
        finally:
            await server.stop()


async def asked(browser: Browser, site: Site, question: str = "Why is the sky blue?") -> tuple[Page, str]:
    """A page of a new chat whose answer has begun, and the chat's id."""
    page = await browser.page(site.url)
    await ask(page, question)
    await until_words(page.locator(ANSWERS), 5)
    return page, page.url.rpartition("/")[2]


async def whole(page: Page, answers: int = 1) -> None:
    """Wait for its end; each answer of the chat is then what the model said, once."""
    # In this order: a page that was just loaded is ready until what is being said begins anew.
    await expect(page.locator(ANSWERS)).to_have_count(answers)
    await said(page, "ready")
    assert await page.locator(ANSWERS).all_text_contents() == [TEXT] * answers


async def said(page: Page, state: str) -> str:
    """What the last answer says once the page says this of itself."""
    await expect(page.locator(STATE)).to_have_text(state)
    return await page.locator(ANSWERS).last.text_content() or ""


async def test_a_reload_in_mid_answer_loses_nothing_and_what_was_said_stays(browser: Browser, site: Site) -> None:
    page, chat = await asked(browser, site)
    await page.reload()
    assert TEXT.startswith(await said(page, "streaming"))
    await whole(page)
    await ask(page, "And at night?")
    await until_words(page.locator(ANSWERS).nth(1), 5)
    await page.reload()
    await whole(page, 2)
    questions = await page.locator("article.user").all_text_contents()
    assert questions == ["Why is the sky blue?", "And at night?"]
    found = await site.conversation(chat)
    assert [(each["model"], each["state"]) for each in found["generations"]] == [
        (f"simulator/{MODEL}", "completed")
    ] * 2
    assert KEY not in await page.content()


async def test_a_long_chat_is_there_from_its_beginning(browser: Browser, site: Site) -> None:
    asked = [f"Question {n}" for n in range(101)]
    key = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=site.stack.apis[1].url, headers=key, trust_env=False) as http:
        for question in asked:
            said = {"conversation": "long", "messages": [{"role": "user", "content": question}]}
            body = {"model": "simulator/lorem?deltas=1"} | said
            (await http.post("/v1/generations", json=body)).raise_for_status()
    page = await browser.page(f"{site.url}/chat/long")
    await expect(page.locator("article.user")).to_have_text(asked)


async def test_stop_ends_the_answer_for_good(browser: Browser, site: Site) -> None:
    page, chat = await asked(browser, site)
    await page.click("#stop")
    text = await said(page, "ready")
    assert TEXT.startswith(text)
    assert text != TEXT
    [generation] = (await site.conversation(chat))["generations"]
    assert (generation["state"], generation["text"]) == ("cancelled", text)
    await page.reload()
    assert await said(page, "ready") == text


async def test_a_cut_between_the_servers_never_looks_finished(browser: Browser, site: Site) -> None:
    page, _ = await asked(browser, site)
    assert site.proxy.reset() > 0
    await said(page, "reconnecting")
    await whole(page)


async def test_what_ended_while_the_page_was_cut_off_is_there(browser: Browser, site: Site) -> None:
    page, chat = await asked(browser, site)
    await page.context.set_offline(True)
    site.proxy.reset()
    await said(page, "reconnecting")
    while (await site.conversation(chat))["state"] != "completed":
        await asyncio.sleep(POLL_S)
    await page.context.set_offline(False)
    await whole(page)


async def test_a_worker_killed_in_mid_answer(browser: Browser, site: Site) -> None:
    page, chat = await asked(browser, site)
    for worker in site.stack.workers:
        await worker.kill()
    for worker in site.stack.workers:
        await worker.start()
    await whole(page)
    [generation] = (await site.conversation(chat))["generations"]
    assert len(generation["attempts"]) == 2


async def test_the_server_of_the_page_killed_in_mid_answer(browser: Browser, site: Site) -> None:
    page, _ = await asked(browser, site)
    await site.server.kill()
    await said(page, "reconnecting")
    await site.server.start()
    await whole(page)
