"""A connection that is open and silent is dead: the page gives it up, and goes on by another one."""

from __future__ import annotations

import re
from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import TEXT
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SLOW: Final = "lorem?deltas=60&rate=8&seed=7"


@pytest.mark.parametrize(
    ("seconds", "wakes"),
    [
        pytest.param(46, "", id="for long"),
        pytest.param(21, "document.dispatchEvent(new Event('visibilitychange'))", id="until the page is shown again"),
        pytest.param(21, "dispatchEvent(new Event('pageshow'))", id="until the page is taken up again"),
        pytest.param(1, "dispatchEvent(new Event('online'))", id="until the network is another one"),
    ],
)
async def test_a_silent_connection_is_given_up(open_page: Open, up: Up, seconds: int, wakes: str) -> None:
    chat = await open_page()
    await chat.page.clock.install()
    await chat.watch_status()
    await chat.ask(model=SLOW)
    before = await chat.says()
    await expect(chat.status).to_contain_text("streaming")  # before the clock leaps over the words up to it
    async with up.paused("api"):
        await chat.page.clock.fast_forward(seconds * 1000)
        await chat.page.evaluate(wakes)
        await expect(chat.status).to_contain_text("reconnecting")
    await chat.whole()
    assert TEXT.startswith(before)
    assert re.fullmatch("queued thinking streaming reconnecting resumed( streaming)? done", await chat.said())
    await expect(chat.alert).to_have_count(0)
