"""What a reader goes through: reloads, no network, sleep, and a second browser."""

from __future__ import annotations

import random
import re
from typing import Final

import pytest
from playwright.async_api import expect

from tests.conftest import TEST_SEED
from tests.e2e.page.chat import LONG, LOREM, TEXT
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SLOW: Final = "lorem?deltas=60&rate=4&seed=7"


async def test_20_reloads_at_random_moments(open_page: Open) -> None:
    seed = random.randrange(2**32) if TEST_SEED is None else TEST_SEED
    print(f"MIDSTREAM_TEST_SEED={seed}")
    chance = random.Random(seed)
    chat = await open_page()
    await chat.ask(model=SLOW)
    await chat.page.wait_for_url("**/c/*")
    for _ in range(20):
        await chat.page.wait_for_timeout(chance.uniform(0, 700))
        await chat.page.reload(wait_until="commit")
    await expect(chat.answers).to_have_count(1)
    await chat.whole()


async def test_offline_and_online_by_the_browsers_switch(open_page: Open) -> None:
    chat = await open_page()
    await chat.watch_status()
    await chat.ask(model=SLOW)
    before = await chat.says()
    await chat.page.context.set_offline(True)
    await expect(chat.status).to_contain_text("reconnecting")
    await chat.page.context.set_offline(False)
    await chat.whole()
    assert TEXT.startswith(before)
    assert re.fullmatch("queued thinking streaming( reconnecting resumed)+( streaming)? done", await chat.said())
    await expect(chat.alert).to_have_count(0)


async def test_a_message_that_is_sent_offline_goes_out_when_the_network_is_back(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.choose(SLOW)
    await chat.page.context.set_offline(True)
    await chat.message.fill("Sent in a tunnel")
    await chat.message.press("Enter")
    await expect(chat.alert.or_(chat.status).filter(has_text=re.compile("connection|reconnect")).first).to_be_visible()
    await chat.page.context.set_offline(False)
    await expect(chat.answers).to_have_count(1)
    await chat.whole()
    assert len(await up.turns(chat.page.url)) == 1


async def test_stop_that_is_pressed_offline_stops_when_the_network_is_back(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model=LONG)
    await chat.says()
    await chat.page.context.set_offline(True)
    await chat.button("Stop").click()
    await chat.page.wait_for_timeout(300)
    [turn] = await up.turns(chat.page.url)
    assert turn["state"] == "running"
    await chat.page.context.set_offline(False)
    await chat.ended()
    await expect(chat.status).to_contain_text("stopped")
    [turn] = await up.turns(chat.page.url)
    assert turn["state"] == "cancelled"


@pytest.mark.nightly
async def test_a_page_that_slept_for_a_minute_has_all(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=SLOW)
    await chat.says()
    session = await chat.page.context.new_cdp_session(chat.page)
    await session.send("Page.setWebLifecycleState", {"state": "frozen"})
    other = await chat.page.context.new_page()
    await other.wait_for_timeout(60_000)
    await session.send("Page.setWebLifecycleState", {"state": "active"})
    await chat.whole()


async def test_stop_in_one_browser_stops_in_both(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model=LONG)
    await chat.says()
    other = await open_page(chat.page.url.removeprefix(up.url))
    await other.says()
    await other.button("Stop").click()
    for each in (chat, other):
        await each.ended()
        await expect(each.status).to_contain_text("stopped")
        await expect(each.button("Stop")).not_to_be_visible()
    assert await chat.text() == await other.text() == (await up.turns(chat.page.url))[0]["text"].strip()


async def test_leaving_is_not_stopping(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model=SLOW)
    await chat.says()
    address = chat.page.url
    await chat.page.close()
    assert (await up.turns(address))[0]["state"] == "running"
    other = await open_page(address.removeprefix(up.url))
    await other.whole()


async def test_a_connection_that_held_is_not_said_to_be_lost_for_good(open_page: Open) -> None:
    """A machine without a network may have its server on board: the browser says offline, and the stream goes on."""
    chat = await open_page()
    await chat.watch_status()
    await chat.ask(model=LOREM)
    await chat.says()
    await chat.page.evaluate("dispatchEvent(new Event('offline'))")
    await chat.whole()
    assert re.fullmatch("queued thinking streaming reconnecting resumed done", await chat.said())


async def test_a_notice_that_the_server_is_away_goes_when_it_is_back(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model="lorem?deltas=6&rate=0&seed=7")
    await chat.ended()
    await chat.page.context.set_offline(True)
    await chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(chat.alert).to_contain_text("does not answer")
    await chat.page.context.set_offline(False)
    await expect(chat.alert).to_have_count(0)
