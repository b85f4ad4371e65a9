"""Rule 13: the conversations that there are, and what is done with them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import LONG, LOREM, SHORT, Chat
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def told(chat: Chat, *titles: str) -> None:
    """Conversations of these first messages."""
    for title in titles:
        await chat.button("New chat").click()
        await expect(chat.answers).to_have_count(0)
        await chat.ask(title, model=SHORT)
        await chat.ended()
        await expect(chat.links.first).to_have_text(title)


async def test_they_are_listed_newest_first_by_their_first_message(open_page: Open) -> None:
    chat = await open_page()
    await told(chat, "Older words", "Newer words")
    titles = await chat.links.all_inner_texts()
    assert titles[:2] == ["Newer words", "Older words"]
    for link in await chat.links.all():
        assert re.match(r"/c/[^/]+$", await link.get_attribute("href") or "")
    await chat.links.filter(has_text="Older words").click()
    await expect(chat.yous).to_contain_text("Older words")
    await chat.page.reload()
    await expect(chat.yous).to_contain_text("Older words")


async def test_one_is_renamed(open_page: Open) -> None:
    chat = await open_page()
    await told(chat, "Name me")
    await chat.button("Rename Name me").click()
    field = chat.page.get_by_role("textbox", name="Title", exact=True)
    await field.fill("A better name")
    await field.press("Enter")
    await expect(chat.links.first).to_have_text("A better name")
    await chat.page.reload()
    await expect(chat.links.filter(has_text="A better name")).to_have_count(1)
    await expect(chat.button("Delete A better name")).to_be_visible()


async def test_a_deletion_is_taken_back_or_comes_after_a_while(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await told(chat, "Delete me")
    address = chat.page.url
    for undone in (True, False):
        await chat.button("Delete Delete me").click()
        since = await chat.page.evaluate("performance.now()")
        await expect(chat.links.filter(has_text="Delete me")).to_have_count(0)
        undo = chat.button("Undo")
        await expect(undo).to_be_visible()
        assert len(await up.turns(address)) == 1
        if undone:
            await undo.click()
            await expect(chat.links.filter(has_text="Delete me")).to_have_count(1)
        else:
            await expect(undo).to_have_count(0)
    assert 5000 <= await chat.page.evaluate("performance.now()") - since <= 11_000
    async with chat.page.expect_response("**/v1/conversations?*"):
        await chat.page.reload()
    await expect(chat.links.filter(has_text="Delete me")).to_have_count(0)


async def test_a_deletion_is_sent_when_the_page_goes(open_page: Open) -> None:
    chat = await open_page()
    await told(chat, "Gone with the page")
    other = await chat.beside(chat.page.url)
    await chat.button("Delete Gone with the page").click()
    await expect(chat.button("Undo")).to_be_visible()
    await chat.page.close(run_before_unload=True)
    await expect(other.alert).to_be_visible(timeout=4000)
    await other.page.goto(other.page.url)
    await expect(other.links.filter(has_text="Gone with the page")).to_have_count(0)


async def test_a_narrow_page_keeps_them_behind_a_button(open_page: Open) -> None:
    chat = await open_page(viewport={"width": 700, "height": 700})
    await told_narrow(chat)
    menu = chat.button("Conversations")
    await expect(menu).to_have_attribute("aria-expanded", "false")
    await expect(chat.links.first).not_to_be_visible()
    await menu.click()
    await expect(menu).to_have_attribute("aria-expanded", "true")
    await expect(chat.links.first).to_be_visible()
    await chat.links.first.click()
    await expect(chat.answers).to_have_count(1)
    await chat.page.set_viewport_size({"width": 701, "height": 700})
    await expect(menu).not_to_be_visible()
    await expect(chat.links.first).to_be_visible()


async def told_narrow(chat: Chat) -> None:
    await chat.ask("In a narrow page", model=SHORT)
    await chat.ended()


async def test_another_tab_and_another_device_see_the_turns_that_begin_later(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask("One?", model=SHORT)
    await chat.ended()
    others = [await chat.beside(), await open_page(re.sub(r"^.*?(?=/c/)", "", chat.page.url))]
    await others[0].ask("Two?", model=LOREM)
    for each in (chat, *others):
        await expect(each.yous.nth(1)).to_contain_text("Two?")
        await expect(each.answers).to_have_count(2)
        await each.whole()


async def test_a_full_storage_loses_nothing(open_page: Open) -> None:
    chat = await open_page()
    await chat.page.evaluate(
        """() => { for (let size = 2 ** 22; size >= 1; size /= 2)
          try { for (let n = 0; ; n++) localStorage.setItem(`full-${size}-${n}`, "x".repeat(size)); } catch {} }"""
    )
    await chat.ask("Kept by the server", model=LOREM)
    await chat.says()
    await chat.page.reload()
    await expect(chat.yous).to_contain_text("Kept by the server")
    await expect(chat.answers).to_have_count(1)
    await chat.whole()


async def test_one_that_is_deleted_elsewhere_is_no_more_and_says_so(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask("Deleted elsewhere", model=LONG)
    await chat.says()
    status = await chat.page.evaluate(
        "async (id) => (await fetch(`/v1/conversations/${id}`, { method: 'DELETE' })).status",
        chat.page.url.rpartition("/")[2],
    )
    assert status == 204
    await expect(chat.alert).to_contain_text("deleted")
    await expect(chat.log).to_have_attribute("aria-busy", "false")
    await expect(chat.button("Stop")).to_be_hidden()
    await expect(chat.message).to_be_hidden()
    await chat.button("New chat").click()
    await chat.ask("Another", model=SHORT)
    await chat.ended()


async def test_a_title_that_is_left_open_hides_no_undo(open_page: Open) -> None:
    chat = await open_page()
    await told(chat, "Left open", "Deleted beside it")
    await chat.button("Rename Left open").click()
    await chat.message.click()
    await chat.button("Delete Deleted beside it").click()
    await chat.button("Undo").click()
    await expect(chat.links.filter(has_text="Deleted beside it")).to_have_count(1)
    await expect(chat.links.filter(has_text="Left open")).to_have_count(1)
