"""Rules 10 and 17: what a broken connection, a killed worker and a restarted API look like."""

from __future__ import annotations

import re
from typing import Final

import httpx2
import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import LONG, TEXT, Chat
from tests.e2e.page.conftest import Open, Start
from tests.e2e.page.up import Up
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SLOW: Final = "lorem?deltas=60&rate=10&seed=7"


async def test_the_buttons_are_there_while_an_answer_runs(open_page: Open) -> None:
    chat = await open_page()
    buttons = [chat.button(name) for name in ("Cut the connection", "Kill the worker")]
    for button in buttons:
        await expect(button).not_to_be_visible()
    await chat.ask(model=LONG)
    for button in buttons:
        await expect(button).to_be_visible()
    await chat.button("Stop").click()
    await chat.ended()
    for button in buttons:
        await expect(button).not_to_be_visible()


async def test_a_worker_that_is_killed_is_seen_and_its_answer_begins_anew(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model=SLOW)
    await chat.says(3)
    await chat.button("Kill the worker").click()
    group = chat.answers.last.get_by_role("group", name=re.compile("^Superseded: worker lost"))
    await expect(group).to_be_visible()
    since = await chat.page.evaluate("performance.now()")
    assert " ".join(TEXT.split()[:3]) in (await group.inner_text())
    assert not (await chat.text()).startswith(await group.inner_text())
    # It is there for three seconds at least.
    while await chat.page.evaluate("performance.now()") < since + 3000:
        assert await group.is_visible()
        await chat.page.wait_for_timeout(200)
    await chat.whole()
    [turn] = await up.turns(chat.page.url)
    assert len(turn["attempts"]) == 2


async def test_cuts_lose_nothing(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=SLOW)
    for words in (3, 12, 24):
        said = await chat.says(words)
        assert TEXT.startswith(said)
        await chat.button("Cut the connection").click()
    await chat.whole()


async def test_an_api_that_is_restarted_loses_nothing(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model=SLOW)
    await chat.says(3)
    await up.kill_child("api")
    await chat.whole()
    await expect(chat.alert).to_have_count(0)
    await chat.ask(model="lorem?deltas=6&rate=0")
    await chat.ended()
    await expect(chat.status).to_contain_text("done")


async def test_a_worker_that_is_killed_before_the_first_word(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model="lorem?deltas=60&rate=20&seed=7&ttft=3000")
    await expect(chat.status).to_contain_text("thinking")
    await up.kill_child("worker")
    await chat.whole()
    await expect(chat.answers.last.get_by_role("group", name=re.compile("^Superseded"))).to_have_count(0)


@pytest.mark.parametrize("settings", [{"OPENAI_API_KEY": "k"}])
async def test_with_a_provider_nothing_can_be_broken(browser: Browser, start: Start, settings: dict[str, str]) -> None:
    up = await start(**settings)
    chat = await Chat.opened(browser, up.url)
    await chat.ask(model=LONG)
    await chat.says()
    for name, path in (("Cut the connection", "cut"), ("Kill the worker", "kill")):
        await expect(chat.button(name)).to_have_count(0)
        async with httpx2.AsyncClient(base_url=up.url, trust_env=False) as http:
            assert (await http.post(f"/demo/{path}")).status_code == 404
    await chat.button("Stop").click()
