"""The page without a library in a browser: reloads, cuts, a second tab and restarts in the middle of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.pages import ANSWERS, QUESTIONS, STATES, ask, has_all, serving, until_words
from tests.harness.browser import Browser, other_tab
from tests.harness.processes import Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.row import answer_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PAGE: Final = ROOT / "clients/examples/eventsource.html"
MODEL: Final = "lorem?deltas=240&rate=20&seed=7"
TEXT: Final = answer_of(MODEL).text("text")
HERE: Final = 'const server = "";'


class Site:
    """The page's address, Midstream, and what stands between them."""

    def __init__(self, url: str, stack: Stack, proxy: Proxy) -> None:
        self.url, self.stack, self.proxy = url, stack, proxy

    async def opened(self, browser: Browser, question: str = "Why is the sky blue?") -> Page:
        """A page whose first answer has begun."""
        page = await browser.page(self.url)
        await ask(page, question)
        await until_words(page.locator(ANSWERS).first, 5)
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The page at an origin of its own, and two APIs that let it ask."""
    folder = tmp_path_factory.mktemp("page")
    with serving(folder) as origin:
        settings = {"MIDSTREAM_CORS_ORIGINS": origin, "MIDSTREAM_DEFAULT_MODEL": f"simulator/{MODEL}"}
        async with (
            Stack(tmp_path_factory.mktemp("stack"), apis=2, workers=2, environment=settings) as stack,
            Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy,
        ):
            page = PAGE.read_text(encoding="utf-8")
            assert HERE in page
            there = HERE.replace('""', f'"http://{proxy.address}"')
            (folder / PAGE.name).write_text(page.replace(HERE, there), encoding="utf-8")
            yield Site(f"{origin}/{PAGE.name}", stack, proxy)


async def test_a_reload_in_mid_answer_loses_nothing_and_what_was_said_stays(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    await page.reload()
    await has_all(page, [TEXT])
    await ask(page, "And at night?")
    await until_words(page.locator(ANSWERS).nth(1), 5)
    await page.reload()
    await has_all(page, [TEXT, TEXT])
    assert await page.locator(QUESTIONS).all_text_contents() == ["Why is the sky blue?", "And at night?"]


async def test_a_long_chat_is_there_from_its_beginning(browser: Browser, site: Site) -> None:
    asked = [f"Question {n}" for n in range(22)]
    async with httpx2.AsyncClient(base_url=site.stack.apis[1].url, trust_env=False) as http:
        for question in asked:
            said = {"conversation": "long", "messages": [{"role": "user", "content": question}]}
            body = {"model": "simulator/lorem?deltas=1"} | said
            (await http.post("/v1/generations", json=body)).raise_for_status()
    page = await browser.page(f"{site.url}#long")
    await expect(page.locator(QUESTIONS)).to_have_text(asked)


async def test_a_cut_is_nothing_that_a_reader_sees(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    assert site.proxy.reset() > 0
    await until_words(page.locator(ANSWERS).first, 20)
    assert site.proxy.reset() > 0
    await has_all(page, [TEXT])
    assert await page.text_content("#notice") == ""


async def test_another_tab_sees_the_turns_that_begin_later(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    other = await other_tab(page)
    await has_all(page, [TEXT])
    await has_all(other, [TEXT])
    await ask(other, "And at night?")
    await has_all(page, [TEXT, TEXT])
    await has_all(other, [TEXT, TEXT])
    for each in (page, other):
        assert await each.locator(QUESTIONS).all_text_contents() == ["Why is the sky blue?", "And at night?"]


async def test_stop_ends_it_in_every_tab(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    other = await other_tab(page)
    await other.click("#stop")
    for each in (page, other):
        await expect(each.locator(STATES)).to_have_text("cancelled")
    [said] = await page.locator(ANSWERS).all_text_contents()
    assert TEXT.startswith(said)
    assert said != TEXT
    assert await other.locator(ANSWERS).all_text_contents() == [said]


async def test_an_api_and_the_workers_killed_in_mid_answer(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    for process in (site.stack.apis[0], *site.stack.workers):
        await process.kill()
        await process.start()
    await has_all(page, [TEXT])


async def test_a_chat_that_was_deleted_says_so(browser: Browser, site: Site) -> None:
    page = await site.opened(browser)
    chat = await page.evaluate("location.hash.slice(1)")
    async with httpx2.AsyncClient(trust_env=False) as http:
        address = f"{site.stack.apis[1].url}/v1/conversations/{chat}"
        assert (await http.delete(address)).status_code == 204
    await expect(page.locator("#notice")).to_contain_text("deleted")
