"""Rules 4 and 6: the status tells the truth, in its order."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import LONG, LOREM, TEXT, Chat
from tests.e2e.page.conftest import Open, Start
from tests.e2e.page.up import Up
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_an_answer_passes_through_all_of_them(open_page: Open) -> None:
    chat = await open_page()
    await chat.watch_status()
    await chat.ask(model=LOREM)
    await chat.whole()
    assert await chat.said() == "queued thinking streaming done"


async def test_a_cut_is_seen_and_resumed(open_page: Open) -> None:
    chat = await open_page()
    await chat.watch_status()
    await chat.ask(model=LOREM)
    await chat.says()
    await chat.button("Cut the connection").click()
    await chat.whole()
    assert re.fullmatch(r"queued thinking streaming reconnecting resumed( streaming)? done", await chat.said())
    texts = await chat.page.evaluate("window.said")
    assert any(re.search(r"resumed at event \d+", text) for text in texts), texts


async def test_stopped_and_failed_are_said(open_page: Open) -> None:
    chat = await open_page()
    await chat.watch_status()
    await chat.ask(model=LONG)
    await chat.says()
    await chat.button("Stop").click()
    await expect(chat.status).to_contain_text("stopped")
    await chat.ask(model="lorem?deltas=9&rate=20&fault=error@3")
    await expect(chat.status).to_contain_text("failed")
    assert re.fullmatch(r"queued thinking streaming stopped queued( thinking( streaming)?)+ failed", await chat.said())


async def test_who_waits_sees_its_place(browser: Browser, start: Start) -> None:
    up = await start(MIDSTREAM_CONCURRENCY="1")
    first = await Chat.opened(browser, up.url)
    await first.ask(model=LONG)
    await first.says()
    places = []
    for _ in range(2):
        chat = await Chat.opened(browser, up.url)
        await chat.watch_status()
        await chat.ask(model="lorem?deltas=6&rate=20")
        await expect(chat.status).to_have_text(re.compile(r"queued.*\d"))
        places.append(int(re.findall(r"\d+", await chat.status.inner_text())[0]))
    assert places == [1, 2]
    await first.button("Stop").click()
    await expect(chat.status).to_contain_text("done")
    assert await chat.said() == "queued thinking streaming done"


async def test_the_log_is_busy_exactly_while_an_answer_runs(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await expect(chat.log).to_have_attribute("aria-busy", "false")
    await chat.log.evaluate(
        """(node) => {
          window.busy = [];
          new MutationObserver(() => window.busy.push(node.ariaBusy)).observe(node, { attributeFilter: ["aria-busy"] });
        }"""
    )
    await chat.ask(model=LOREM)
    await chat.whole(TEXT)
    busy = await chat.page.evaluate("window.busy.filter((now, at, all) => at === 0 || now !== all[at - 1])")
    assert busy == ["true", "false"]
    assert (await up.turns(chat.page.url))[0]["state"] == "completed"


async def test_a_turn_that_is_seen_late_passes_through_all_of_them(open_page: Open) -> None:
    """A look at a turn may show an attempt, a text or an end that no event told of."""
    chat = await open_page()
    said = await chat.page.evaluate(
        """async () => {
          const { Status } = await import("/assets/status.js");
          const said = [], node = { set textContent(text) { said.push(text); } };
          const status = new Status(node);
          status.show("queued");
          const first = { number: 1, reason: "start" }, second = { number: 2, reason: "worker_lost" };
          const turn = { key: "one", state: "running", attempts: [first], parts: [{ kind: "text", text: "Hi" }] };
          status.follow(turn);
          status.follow(turn);
          status.follow({ ...turn, attempts: [first, second], parts: [{ kind: "reasoning", text: "Hm" }] });
          status.follow({ ...turn, attempts: [first, second], state: "completed" });
          status.follow({ ...turn, key: "two", state: "cancelled" });
          await new Promise((resolve) => setTimeout(resolve, 2000));
          return said;
        }"""
    )
    assert said == ["queued", "thinking", "streaming", "thinking · worker lost", "streaming", "done", "stopped"]


async def test_of_an_answer_that_had_ended_only_the_end_is_said(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LOREM)
    await chat.whole()
    await chat.button("New chat").click()
    await expect(chat.status).to_have_text("")
    await chat.watch_status()
    await chat.page.go_back()
    await expect(chat.status).to_contain_text("done")
    assert await chat.said() == "done"
