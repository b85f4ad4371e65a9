"""Rule 9: each answer's figures, live and after its end."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.page.chat import LONG, LOREM
from tests.e2e.page.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

WORDS = ("time to first token", "tokens/s", "tokens", "cost", "viewers")


def figures(answer: Locator) -> Locator:
    return answer.get_by_role("list", name="Figures", exact=True)


async def test_each_has_its_number(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LOREM)
    await chat.says()
    while_it_runs = await figures(chat.answers.last).inner_text()
    await chat.ended()
    ended = await figures(chat.answers.last).inner_text()
    for text in (while_it_runs, ended):
        for word in WORDS:
            assert word in text
    for word in ("time to first token", "tokens/s", "tokens", "viewers"):
        assert re.search(rf"(?<!\w){re.escape(word)}\W*\d", while_it_runs), while_it_runs
    for word in ("time to first token", "tokens/s", "tokens", "cost", "viewers"):
        assert re.search(rf"(?<!\w){re.escape(word)}\W*\d", ended), ended


async def test_viewers_are_counted_while_it_runs(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LONG)
    await chat.says()
    await expect(figures(chat.answers.last)).to_contain_text(re.compile(r"viewers\D*1\b"))
    other = await chat.beside()
    for each in (chat, other):
        await expect(figures(each.answers.last)).to_contain_text(re.compile(r"viewers\D*2\b"))
    await other.page.close()
    await expect(figures(chat.answers.last)).to_contain_text(re.compile(r"viewers\D*1\b"))
    await chat.button("Stop").click()


async def test_they_are_there_after_a_load(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LOREM)
    await chat.whole()
    shown = await figures(chat.answers.last).inner_text()
    await chat.page.reload()
    await expect(chat.answers).to_have_count(1)
    again = await figures(chat.answers.last).inner_text()
    without_viewers = [re.sub(r"viewers\D*\d+", "", text) for text in (shown, again)]
    assert without_viewers[0] == without_viewers[1]
