"""Rule 16: a key is asked for, and what goes wrong is said."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.page.chat import LONG, SHORT, Chat
from tests.e2e.page.conftest import Start
from tests.e2e.page.up import Up
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

KEY = "right-0123456789"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(start: Start) -> Up:
    """One that wants a key."""
    return await start(MIDSTREAM_API_KEYS=f"me:{KEY}")


async def enter(chat: Chat, key: str) -> None:
    await chat.page.get_by_label("API key", exact=True).fill(key)
    await chat.button("Use key").click()


async def test_a_wrong_key_says_so_and_another_can_be_entered(browser: Browser, up: Up) -> None:
    chat = await Chat.opened(browser, up.url)
    field = chat.page.get_by_label("API key", exact=True)
    await expect(field).to_be_visible()
    for key in ("wrong", "\u043a\u043b\u044e\u0447", "with space"):
        await enter(chat, key)
        await expect(chat.alert).to_be_visible()
        await expect(chat.alert).to_contain_text("key")
        await expect(field).to_be_visible()
    await enter(chat, KEY)
    await expect(field).not_to_be_visible()
    await expect(chat.alert).to_have_count(0)
    await chat.ask(model=SHORT)
    await chat.ended()
    await expect(chat.status).to_contain_text("done")
    kept = await chat.page.evaluate("JSON.stringify([{ ...localStorage }, location.href, document.cookie])")
    assert KEY not in kept
    await chat.page.reload()
    await expect(chat.answers).to_have_count(1)
    await expect(field).not_to_be_visible()


async def test_an_address_is_opened_once_the_key_is_there(browser: Browser, up: Up) -> None:
    chat = await Chat.opened(browser, up.url)
    await enter(chat, KEY)
    await chat.ask("Deep link", model=SHORT)
    await chat.ended()
    other = await Chat.opened(browser, chat.page.url)
    await expect(other.alert).to_be_visible()
    await enter(other, KEY)
    await expect(other.yous).to_contain_text("Deep link")
    await expect(other.answers).to_have_count(1)


async def test_a_key_that_is_withdrawn_in_mid_answer_says_so(browser: Browser, up: Up) -> None:
    chat = await Chat.opened(browser, up.url)
    await enter(chat, KEY)
    await chat.ask(model=LONG)
    await chat.says()
    # What is kept for the tab is all that the page has of it.
    await chat.page.evaluate(
        """(key) => { for (const name of Object.keys(sessionStorage))
          sessionStorage[name] = sessionStorage[name].replace(key, "gone"); }""",
        KEY,
    )
    await chat.page.reload()
    await expect(chat.alert).to_be_visible()
    await enter(chat, KEY)
    await expect(chat.button("Stop")).to_be_visible()
    await chat.says()
    await chat.button("Stop").click()
    await chat.ended()


async def test_a_server_that_does_not_answer_is_said_and_tried_again(browser: Browser, up: Up) -> None:
    chat = await Chat.opened(browser, up.url)
    await enter(chat, KEY)
    await chat.choose(SHORT)
    await chat.page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    await chat.message.fill("Is anybody there?")
    await chat.message.press("Enter")
    await expect(chat.alert).to_be_visible()
    await chat.page.unroute("**/v1/**")
    await chat.ended()
    await expect(chat.yous).to_contain_text("Is anybody there?")
    await expect(chat.answers).to_have_count(1)
    await expect(chat.alert).to_have_count(0)
