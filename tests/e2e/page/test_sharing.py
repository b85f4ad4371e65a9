"""Rules 14 and 15: links and exports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import LOREM, SHORT, TEXT, Chat
from tests.e2e.page.conftest import Open, Start
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_a_link_is_good_without_a_key_until_it_is_revoked(browser: Browser, start: Start) -> None:
    up = await start(MIDSTREAM_API_KEYS="me:right-0123456789")
    chat = await Chat.opened(browser, up.url)
    await chat.page.get_by_label("API key").fill("right-0123456789")
    await chat.button("Use key").click()
    await chat.ask(model=LOREM)
    await chat.whole()
    await chat.answers.last.get_by_role("button", name="Share", exact=True).click()
    dialog = chat.page.get_by_role("dialog", name="Share", exact=True)
    link = dialog.get_by_role("textbox", name="Link", exact=True)
    await expect(link).to_have_value(re.compile(rf"^{up.url}/s/\S+"))
    assert not await link.is_editable()
    address = await link.input_value()
    guest = await Chat.opened(browser, address)
    await expect(guest.answers).to_have_count(1)
    await guest.ended()
    assert await guest.text() == TEXT
    await expect(guest.status).to_contain_text("done")
    await guest.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(guest.alert).to_have_count(0)
    await expect(guest.page.get_by_label("API key")).to_be_hidden()
    await expect(guest.message).to_have_count(0)
    await expect(guest.button("Stop")).to_have_count(0)
    # Who has a key that is not good here reads it too.
    await guest.page.evaluate("sessionStorage.setItem('midstream.key', 'of-another-server')")
    await guest.page.reload()
    await guest.ended()
    assert await guest.text() == TEXT
    await dialog.get_by_role("button", name="Revoke", exact=True).click()
    await expect(dialog.get_by_text("Revoked")).to_be_visible()
    await dialog.get_by_role("button", name="Close", exact=True).click()
    await expect(dialog).to_have_count(0)
    await guest.page.reload()
    await expect(guest.alert).to_be_visible()
    assert TEXT not in await guest.log.inner_text()


async def test_a_conversation_is_downloaded(open_page: Open, tmp_path: Path) -> None:
    chat = await open_page()
    await chat.ask("What is **this**?", model="echo?rate=0")
    await chat.ended()
    await chat.ask("And at night?", model=SHORT)
    await chat.ended()
    texts = {}
    for form in ("Markdown", "JSON"):
        if await chat.page.get_by_role("button", name="Export", exact=True).count():
            await chat.button("Export").click()
        async with chat.page.expect_download() as downloading:
            await chat.page.get_by_role("button", name=f"Export as {form}", exact=True).click()
        await (await downloading.value).save_as(tmp_path / form)
        texts[form] = (tmp_path / form).read_text("utf-8")
    assert texts["Markdown"].count("What is **this**?") >= 2
    assert await chat.text() in texts["Markdown"]
    assert texts["Markdown"].index("What is **this**?") < texts["Markdown"].index("And at night?")
    found = json.dumps(json.loads(texts["JSON"]))
    for text in ("What is **this**?", "And at night?", await chat.text()):
        assert text in found
