"""Rules 4, 5, 7, 10 and 12: what an answer holds, and what can be done with it."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import LONG, LOREM, SHORT, TEXT
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

ECHO: Final = "echo?rate=0"
CODE: Final = "for n in range(3):\n    print(n)  # <b>no tag</b>\n"
MARKDOWN: Final = f"""# Title

Some *words*, a [link](https://example.org/x).

```python
{CODE}```

| a | b |
|---|---|
| 1 | 2 |
"""
PIXEL: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_turns_are_one_you_and_one_answer_each(open_page: Open) -> None:
    chat = await open_page()
    for question in ("One?", "Two?", "Three?"):
        await chat.ask(question, model=SHORT)
        await chat.ended()
    names = await chat.log.get_by_role("article").evaluate_all(
        "(all) => all.map((node) => node.getAttribute('aria-label') ?? node.textContent)"
    )
    assert [re.match("You|Answer", name)[0] for name in names] == ["You", "Answer"] * 3  # type: ignore[index]
    for at, question in enumerate(("One?", "Two?", "Three?")):
        await expect(chat.yous.nth(at)).to_contain_text(question)


async def test_its_text_is_what_was_said_and_nothing_else(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LOREM)
    while await chat.log.get_attribute("aria-busy") == "true":
        assert TEXT.startswith(await chat.text())
    await chat.whole()


async def test_copy_gives_its_markdown_and_copy_code_the_code_alone(open_page: Open) -> None:
    chat = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await chat.ask(MARKDOWN, model=ECHO)
    await chat.ended()
    answer = chat.answers.last
    await answer.get_by_role("button", name="Copy", exact=True).click()
    await chat.until(f"navigator.clipboard.readText().then((text) => text.trim() === {json.dumps(MARKDOWN.strip())})")
    await answer.get_by_role("button", name="Copy code", exact=True).click()
    await chat.until(f"navigator.clipboard.readText().then((text) => text.trimEnd() === {json.dumps(CODE.rstrip())})")


async def test_markdown_becomes_what_it_means(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(MARKDOWN, model=ECHO)
    await chat.ended()
    answer = chat.answers.last
    await expect(answer.get_by_role("heading", name="Title")).to_be_visible()
    await expect(answer.get_by_role("link", name="link")).to_have_attribute("href", "https://example.org/x")
    await expect(answer.get_by_role("table")).to_be_visible()
    await expect(answer.get_by_role("cell")).to_have_count(2)
    await expect(answer.locator("em")).to_have_text("words")
    await expect(answer.locator("pre code")).to_have_text(re.compile(r"for n in range.*<b>no tag</b>", re.DOTALL))
    # It is highlighted: tokens have elements of their own.
    await expect(answer.locator("pre code span").first).to_be_visible()


async def test_an_ended_answer_has_its_buttons_and_a_running_one_has_none(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LONG)
    await chat.says()
    for name in ("Copy", "Regenerate", "Share", "Retry"):
        await expect(chat.answers.last.get_by_role("button", name=name, exact=True)).to_have_count(0)
    await chat.button("Stop").click()
    await chat.ended()
    for name in ("Copy", "Regenerate", "Share"):
        await expect(chat.answers.last.get_by_role("button", name=name, exact=True)).to_be_visible()
    await expect(chat.answers.last.get_by_role("button", name="Retry", exact=True)).to_have_count(0)


async def test_a_failed_answer_says_what_to_do_and_is_tried_again_in_its_place(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model="lorem?deltas=9&rate=0&fault=500&times=9&key=retried")
    alert = chat.answers.last.get_by_role("alert")
    await expect(alert).to_be_visible()
    assert len((await alert.inner_text()).split()) > 3
    await chat.choose(SHORT)
    await chat.answers.last.get_by_role("button", name="Retry", exact=True).click()
    await expect(chat.status).to_contain_text("done")
    await chat.ended()
    await expect(chat.answers).to_have_count(1)
    await expect(alert).to_have_count(0)


async def test_reasoning_is_folded(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model="simulator-anthropic/reasoning?deltas=12&rate=0")
    await chat.ended()
    [turn] = await up.turns(chat.page.url)
    [thought] = [part["text"] for part in turn["parts"] if part["kind"] == "reasoning"]
    details = chat.answers.last.locator("details", has=chat.page.locator("summary", has_text="Reasoning"))
    await expect(details).to_have_count(1)
    assert await details.get_attribute("open") is None
    assert await chat.text() == turn["text"].strip()
    await details.locator("summary").click()
    await expect(details).to_contain_text(thought.strip())


async def test_a_tool_call_has_its_name_and_arguments(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.button("Use a tool").click()
    await chat.ended()
    await expect(chat.answers).to_have_count(1)
    [turn] = await up.turns(chat.page.url)
    [call] = [part for part in turn["parts"] if part["kind"] == "tool_call"]
    details = chat.answers.last.locator("details", has=chat.page.locator("summary", has_text=call["name"]))
    await expect(details).to_have_count(1)
    shown = await details.text_content() or ""
    for name, value in call["arguments"].items():
        assert name in shown
        assert str(value) in shown


async def test_arguments_of_a_tool_call_grow(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model="tools?deltas=40&rate=10")
    call = chat.answers.last.locator("details").first
    lengths = set()
    while await chat.log.get_attribute("aria-busy") == "true":
        if await call.count():
            lengths.add(len(await call.text_content() or ""))
    assert len(lengths) > 3


async def test_a_call_that_was_stopped_midway_ends_no_conversation(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model="tools?deltas=40&rate=5")
    await expect(chat.answers.last.locator("details").nth(1)).to_contain_text("{")
    await chat.button("Stop").click()
    await chat.ended()
    await chat.ask("Go on.", model="echo?rate=0")
    await chat.ended()
    await expect(chat.status).to_contain_text("done")
    await expect(chat.answers.last).to_contain_text("Go on.")


async def test_a_refusal_is_said(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model="refusal?deltas=12&rate=0")
    await chat.ended()
    [turn] = await up.turns(chat.page.url)
    [refused] = [part["text"] for part in turn["parts"] if part["kind"] == "refusal"]
    await expect(chat.answers.last).to_contain_text(refused.strip())


async def test_citations_are_links(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.ask(model="simulator-responses/lorem?deltas=12&rate=0&extras=1")
    await chat.ended()
    [turn] = await up.turns(chat.page.url)
    [note] = [note for part in turn["parts"] for note in part.get("annotations") or []]
    link = chat.answers.last.get_by_role("link").first
    await expect(link).to_have_attribute("href", note["url"])
    await expect(link).to_have_attribute("rel", re.compile("noopener"))
    assert await chat.text() == turn["text"].strip()


async def test_pictures_are_shown_and_none_is_fetched_from_elsewhere(open_page: Open, up: Up) -> None:
    chat = await open_page()
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    await chat.ask(f"![dot]({PIXEL})\n\n![far](https://example.org/far.png)\n", model=ECHO)
    await chat.ended()
    picture = chat.answers.last.get_by_role("img", name="dot")
    assert await picture.evaluate("(node) => node.decode().then(() => node.naturalWidth)") == 1
    await expect(chat.answers.last.get_by_role("link", name="far")).to_be_visible()
    assert [url for url in asked if not url.startswith((up.url, "data:", "blob:"))] == []


async def test_it_sticks_to_the_newest_only_for_who_is_there(open_page: Open) -> None:
    chat = await open_page(viewport={"width": 800, "height": 500})
    jump = chat.button("Jump to latest")
    end = chat.answers.last.get_by_role("list", name="Figures")
    await chat.ask(model="lorem?deltas=3000&rate=150")
    await chat.says(900)
    await expect(jump).not_to_be_visible()
    await expect(end).to_be_in_viewport()
    await chat.answers.last.hover(position={"x": 100, "y": 5}, force=True)
    await chat.page.mouse.wheel(0, -2000)
    await expect(jump).to_be_visible()
    await expect(end).not_to_be_in_viewport()
    place = await chat.yous.first.bounding_box()
    await chat.says(1200)
    assert await chat.yous.first.bounding_box() == place
    await jump.click()
    await expect(end).to_be_in_viewport()
    await expect(jump).not_to_be_visible()
    await chat.says(1500)
    await expect(end).to_be_in_viewport()
    await chat.button("Stop").click()


async def test_who_goes_up_by_small_steps_stays_there(open_page: Open) -> None:
    chat = await open_page(viewport={"width": 900, "height": 500})
    await chat.ask(model="lorem?deltas=600&rate=0")
    await chat.ended()
    view = chat.page.locator("#view")
    await view.hover()
    for _ in range(12):
        await chat.page.mouse.wheel(0, -20)
        await chat.page.evaluate("new Promise((resolve) => requestAnimationFrame(resolve))")
    await expect(chat.button("Jump to latest")).to_be_visible()
    assert await view.evaluate("(node) => node.scrollHeight - node.scrollTop - node.clientHeight") > 100
    await chat.button("Jump to latest").click()
    await expect(chat.button("Jump to latest")).to_be_hidden()


async def test_a_message_is_shown_as_it_was_written_and_is_no_html(open_page: Open) -> None:
    chat = await open_page()
    text = "<img src=x onerror=window.hacked=1> **bold**\n  two"
    await chat.ask(text, model=SHORT)
    await chat.ended()
    assert text in await chat.yous.last.inner_text()
    assert await chat.page.evaluate("window.hacked") is None
    await expect(chat.yous.last.get_by_role("img")).to_have_count(0)


async def test_without_what_npm_has_text_is_shown_as_it_is_and_the_page_says_how_to_build_it(
    browser: Browser, open_page: Open
) -> None:
    browser.excuse("/assets/vendor/")
    chat = await open_page()
    await chat.page.route("**/assets/vendor/**", lambda route: route.fulfill(status=404))
    await chat.page.goto(chat.page.url)
    await expect(chat.page.get_by_text("make page")).to_be_visible()
    await chat.ask("a *b*\n  c", model=ECHO)
    await chat.ended()
    assert await chat.text() == "a *b*\n  c"
    assert "a *b*\n  c" in await chat.answers.last.inner_text()
