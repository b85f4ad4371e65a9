"""What the server refuses for now is said; the message is kept, and goes out once."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import SHORT, Chat
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

POSTS: Final = "**/v1/generations"
TRIES: Final = 10
LONGEST_MS: Final = 26_000
"""More than a pause between two tries: 10 s, as the server asks for, and 15 s at most."""


async def refused(chat: Chat) -> None:
    """The page tries again, in vain, and says why."""
    async with chat.page.expect_response(POSTS) as answer:
        await chat.page.clock.fast_forward(LONGEST_MS)
    assert (await answer.value).status == 503
    await expect(chat.alert).to_contain_text("no memory")


async def test_it_is_sent_as_soon_as_the_server_takes_it(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.page.clock.install()
    async with up.full():
        await chat.ask("Keep me.", model=SHORT)
        await expect(chat.alert).to_contain_text("no memory")
        await refused(chat)
        # It is there over a reload too.
        await chat.page.reload()
        await expect(chat.alert).to_contain_text("no memory")
        await expect(chat.yous).to_contain_text("Keep me.")
    await chat.page.clock.fast_forward(LONGEST_MS)
    await chat.page.wait_for_url("**/c/*")
    await chat.ended()
    await expect(chat.answers).to_have_count(1)
    await expect(chat.alert).to_have_count(0)
    [turn] = await up.turns(chat.page.url)
    assert await chat.text() == turn["text"].strip()


async def test_it_is_given_back_at_last_and_sent_again_by_its_key(open_page: Open, up: Up) -> None:
    chat = await open_page()
    keys: list[str] = []
    chat.page.on(
        "request", lambda request: keys.append(request.headers["idempotency-key"]) if request.method == "POST" else None
    )
    await chat.page.clock.install()
    async with up.full():
        await chat.ask("Keep me.", model=SHORT)
        await expect(chat.alert).to_contain_text("no memory")
        for _ in range(TRIES - 1):
            await refused(chat)
        await expect(chat.message).to_have_value("Keep me.")
        await expect(chat.answers).to_have_count(0)
        await expect(chat.button("Stop")).not_to_be_visible()
        await expect(chat.alert).to_contain_text("no memory")
    await chat.message.press("Enter")
    await expect(chat.status).to_contain_text("done")
    await chat.ended()
    assert len(await up.turns(chat.page.url)) == 1
    assert (len(keys), len(set(keys))) == (TRIES + 1, 1)


async def test_the_status_of_what_was_sent_at_the_second_try_is_that_of_its_answer(open_page: Open) -> None:
    chat = await open_page()
    await chat.page.route(POSTS, lambda route: route.abort("connectionreset"), times=1)
    await chat.ask(model=SHORT)
    await chat.page.wait_for_url("**/c/*")
    await chat.ended()
    await expect(chat.status).to_contain_text("done", timeout=5000)
