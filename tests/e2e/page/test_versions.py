"""Rule 8: a turn is edited, answered anew, and its versions are looked at."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from tests.e2e.page.chat import LONG, Chat
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

ECHO = "echo?rate=0"


async def shows(chat: Chat, *texts: str) -> None:
    """These answers are there, and ended."""
    await chat.ended()
    await expect(chat.answers).to_have_count(len(texts))
    for at, text in enumerate(texts):
        await expect(chat.answers.nth(at)).to_contain_text(text)
        await expect(chat.yous.nth(at)).to_contain_text(text)


async def edit(chat: Chat, at: int, text: str) -> None:
    """Send a message anew."""
    await chat.yous.nth(at).get_by_role("button", name="Edit", exact=True).click()
    field = chat.page.get_by_role("textbox", name="Edit message", exact=True)
    await field.fill(text)
    await field.press("Enter")


async def test_edit_and_resend(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask("first words", model=ECHO)
    await shows(chat, "first words")
    await expect(chat.button("Previous version")).to_have_count(0)
    await edit(chat, 0, "second words")
    await shows(chat, "second words")
    await expect(chat.button("Next version")).to_be_visible()
    await chat.button("Previous version").click()
    await shows(chat, "first words")
    await chat.button("Next version").click()
    await shows(chat, "second words")
    # The newest is shown after a load, whatever was looked at before.
    await chat.button("Previous version").click()
    await shows(chat, "first words")
    await chat.page.reload()
    await shows(chat, "second words")


async def test_an_edited_turn_in_the_middle_begins_another_branch(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask("one", model=ECHO)
    await shows(chat, "one")
    await chat.ask("two")
    await shows(chat, "one", "two")
    await edit(chat, 0, "other")
    await shows(chat, "other")
    await chat.button("Previous version").click()
    await shows(chat, "one", "two")
    await chat.ask("three")
    await shows(chat, "one", "two", "three")
    await chat.page.reload()
    await shows(chat, "one", "two", "three")


async def test_regenerate(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask("Say something", model="lorem?deltas=6&rate=0&seed=1")
    await chat.ended()
    first = await chat.text()
    await chat.choose("lorem?deltas=6&rate=0&seed=2")
    await chat.answers.last.get_by_role("button", name="Regenerate", exact=True).click()
    await expect(chat.button("Previous version")).to_be_visible()
    await chat.ended()
    await expect(chat.answers).to_have_count(1)
    second = await chat.text()
    assert second != first
    await chat.button("Previous version").click()
    await expect(chat.answers.last).to_contain_text(first)
    await chat.page.reload()
    await expect(chat.answers).to_have_count(1)
    await expect(chat.answers.last).to_contain_text(second)


async def test_regenerate_while_a_message_is_on_its_way_is_asked_after_it(open_page: Open, up: Up) -> None:
    chat = await open_page()
    held: list[Route] = []

    async def hold(route: Route) -> None:
        if held:
            await route.continue_()
        held.append(route)

    await chat.ask("one", model=ECHO)
    await shows(chat, "one")
    await chat.page.route("**/v1/generations", hold)
    await chat.ask("two")
    while not held:
        await chat.page.wait_for_timeout(20)
    await chat.answers.first.get_by_role("button", name="Regenerate", exact=True).click()
    await held[0].continue_()
    await expect(chat.button("Previous version")).to_be_visible()
    await shows(chat, "one")
    await expect(chat.alert).to_have_count(0)
    await expect(chat.message).to_have_value("")
    await chat.button("Previous version").click()
    await shows(chat, "one", "two")
    assert len(await up.turns(chat.page.url)) == 3


async def test_a_turn_that_is_edited_while_it_runs_has_both_versions_and_both_are_stopped(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask("first words", model=LONG)
    await chat.says()
    await edit(chat, 0, "second words")
    await expect(chat.button("Previous version")).to_be_visible()
    await expect(chat.answers).to_have_count(1)
    await expect(chat.yous).to_contain_text("second words")
    await chat.button("Stop").click()
    await chat.button("Stop").click()
    await chat.ended()
    await expect(chat.status).to_contain_text("stopped")
