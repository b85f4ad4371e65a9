"""Rule 1: what an address leads to."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import SHORT, Chat
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_the_root_is_a_new_chat(open_page: Open) -> None:
    chat = await open_page()
    await expect(chat.message).to_be_visible()
    await expect(chat.log.get_by_role("article")).to_have_count(0)
    for name in ("Reload me", "Use a tool", "Write code"):
        await expect(chat.button(name)).to_be_visible()


async def test_the_first_message_turns_it_into_a_conversation_without_a_load(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.page.evaluate("window.loaded = 'once'")
    await chat.ask(model=SHORT)
    await chat.page.wait_for_url(f"{up.url}/c/*")
    await chat.ended()
    assert await chat.page.evaluate("window.loaded") == "once"
    [turn] = await up.turns(chat.page.url)
    assert turn["conversation"] == chat.page.url.rpartition("/")[2]


async def test_a_conversation_is_what_its_address_leads_to(open_page: Open, up: Up) -> None:
    model = f"simulator/{SHORT}"
    for question in ("One?", "Two?"):
        await up.ask(model, question, conversation="told elsewhere/1")
    chat = await open_page("/c/told%20elsewhere%2F1")
    await expect(chat.yous).to_have_count(2)
    await expect(chat.answers).to_have_count(2)
    await expect(chat.yous.first).to_contain_text("One?")
    await expect(chat.yous.last).to_contain_text("Two?")
    await chat.ended()


async def test_a_slash_at_its_end_does_no_harm(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask("Slash", model=SHORT)
    await chat.page.wait_for_url(f"{up.url}/c/*")
    there = await chat.beside(f"{chat.page.url}/")
    await expect(there.yous).to_contain_text("Slash")


async def test_back_leads_back(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model=SHORT)
    await chat.page.wait_for_url(f"{up.url}/c/*")
    await chat.ended()
    await chat.page.go_back()
    await expect(chat.answers).to_have_count(0)
    await chat.page.go_forward()
    await expect(chat.answers).to_have_count(1)


async def test_one_generation_is_read_only(open_page: Open, up: Up) -> None:
    generation = await up.ask(f"simulator/{SHORT}")
    chat: Chat = await open_page(f"/g/{generation}")
    await expect(chat.answers).to_have_count(1)
    await chat.ended()
    await expect(chat.message).to_have_count(0)
    assert await chat.text() == (await up.get(f"/v1/generations/{generation}"))["text"]


@pytest.mark.parametrize("path", ["/c/unknown", "/g/gen_unknown", "/g/gen_0123456789abcdef0123456789abcdef", "/s/none"])
async def test_what_is_not_there_is_said(open_page: Open, path: str) -> None:
    chat = await open_page()
    await chat.page.goto(f"{chat.page.url.rstrip('/')}{path}")
    await expect(chat.alert).to_be_visible()
    await expect(chat.alert).not_to_be_empty()
