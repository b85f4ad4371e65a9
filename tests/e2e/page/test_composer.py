"""Rules 2 and 3: a message is written, sent and stopped, and a model is chosen."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import FilePayload, Route, expect

from tests.e2e.page.chat import LONG, SHORT, Chat
from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

POSTS: Final = "**/v1/generations"
PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc0500f00038601806bd5a2770000000049454e44ae426082"
)
PDF: Final = b"%PDF-1.4\n%%EOF\n"


async def sent_once(chat: Chat, up: Up, turns: int = 1) -> None:
    """The conversation has so many generations, and shows as many."""
    await chat.page.wait_for_url(f"{up.url}/c/*")
    await chat.ended()
    assert len(await up.turns(chat.page.url)) == turns
    await expect(chat.answers).to_have_count(turns)


async def test_the_message_has_the_focus_at_first_and_after_new_chat(open_page: Open) -> None:
    chat = await open_page()
    await expect(chat.message).to_be_focused()
    await chat.ask(model=SHORT)
    await chat.ended()
    await chat.button("New chat").click()
    await expect(chat.answers).to_have_count(0)
    await expect(chat.message).to_be_focused()


async def test_enter_sends_and_shift_enter_is_a_new_line(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.choose(SHORT)
    await chat.message.press_sequentially("one")
    await chat.message.press("Shift+Enter")
    await chat.message.press_sequentially("two")
    await expect(chat.message).to_have_value("one\ntwo")
    await expect(chat.answers).to_have_count(0)
    await chat.message.press("Enter")
    await sent_once(chat, up)
    [turn] = await up.turns(chat.page.url)
    assert turn["input"][-1]["content"] == "one\ntwo"
    await expect(chat.message).to_have_value("")


async def test_send_sends(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.choose(SHORT)
    await chat.message.fill("Go.")
    await chat.button("Send").click()
    await sent_once(chat, up)


async def test_enter_twice_is_one_generation(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.choose(SHORT)
    await chat.message.fill("Go.")
    # In one task, so that nothing of the page comes between.
    await chat.message.evaluate(
        """(node) => { for (let n = 0; n < 2; n++) node.dispatchEvent(
          new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true })); }"""
    )
    await sent_once(chat, up)


async def test_a_lost_reply_is_one_generation(open_page: Open, up: Up) -> None:
    chat = await open_page()
    lost = 0

    async def lose(route: Route) -> None:
        nonlocal lost
        if route.request.method == "POST" and lost < 2:
            lost += 1
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await chat.page.route(POSTS, lose)
    await chat.ask(model=SHORT)
    await sent_once(chat, up)
    assert lost == 2


async def test_a_reply_lost_before_a_reload_is_one_generation(open_page: Open, up: Up) -> None:
    chat = await open_page()
    keys: list[str] = []
    losing = True

    async def lose(route: Route) -> None:
        if losing and route.request.method == "POST":
            await route.fetch()
            keys.append(route.request.headers["idempotency-key"])
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await chat.page.route(POSTS, lose)
    await chat.ask("Asked once", model=SHORT)
    while not keys:
        await chat.page.wait_for_timeout(20)
    losing = False
    await chat.page.reload()
    await sent_once(chat, up)
    await expect(chat.yous).to_contain_text("Asked once")


async def test_what_is_refused_stays_in_the_message(open_page: Open) -> None:
    chat = await open_page()
    await chat.choose("nowhere/lorem")
    await chat.message.fill("Keep me.")
    await chat.message.press("Enter")
    await expect(chat.alert).to_be_visible()
    await expect(chat.message).to_have_value("Keep me.")
    await expect(chat.button("Stop")).not_to_be_visible()


async def test_a_file_whose_message_is_refused_stays_attached(open_page: Open) -> None:
    chat = await open_page()
    await chat.choose("nowhere/lorem")
    await chat.attach.set_input_files([FilePayload(name="sky.pdf", mimeType="application/pdf", buffer=PDF)])
    await chat.message.fill("What is it?")
    await chat.message.press("Enter")
    await expect(chat.alert).to_be_visible()
    await expect(chat.message).to_have_value("What is it?")
    await expect(chat.button("Remove sky.pdf")).to_be_visible()


async def test_files_that_cannot_go_along_are_all_named(open_page: Open) -> None:
    chat = await open_page()
    names = ("one.exe", "two.svg")
    await chat.attach.set_input_files([FilePayload(name=name, mimeType="text/x-odd", buffer=b"x") for name in names])
    for name in names:
        await expect(chat.alert).to_contain_text(name)


async def test_stop_is_there_exactly_while_an_answer_runs(open_page: Open) -> None:
    chat = await open_page()
    stop = chat.button("Stop")
    await expect(stop).not_to_be_visible()
    await chat.ask(model=LONG)
    await expect(stop).to_be_visible()
    await expect(chat.log).to_have_attribute("aria-busy", "true")
    await chat.says()
    await stop.click()
    await chat.ended()
    await expect(stop).not_to_be_visible()
    await expect(chat.status).to_contain_text("stopped")


async def test_escape_stops_wherever_the_focus_is(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=LONG)
    for focused in (chat.message, chat.model, chat.links.first, chat.page.locator("body")):
        await chat.says()
        await focused.focus()
        await chat.page.keyboard.press("Escape")
        await chat.ended()
        await expect(chat.status).to_contain_text("stopped")
        await chat.ask(model=LONG)
    await chat.page.keyboard.press("Escape")
    await chat.ended()


async def test_what_is_typed_while_it_is_sent_stays_and_a_new_chat_keeps_to_itself(open_page: Open, up: Up) -> None:
    chat = await open_page()
    held: list[Route] = []

    async def hold(route: Route) -> None:
        if held:
            await route.continue_()
        held.append(route)

    await chat.page.route(POSTS, hold)
    await chat.ask("The first chat", model=SHORT)
    while not held:
        await chat.page.wait_for_timeout(20)
    await chat.message.fill("typed meanwhile")
    await chat.button("New chat").click()
    await expect(chat.answers).to_have_count(0)
    await expect(chat.message).to_have_value("typed meanwhile")
    await held[0].continue_()
    await expect(chat.links.filter(has_text="The first chat").first).to_be_visible()
    await expect(chat.answers).to_have_count(0)
    await expect(chat.message).to_have_value("typed meanwhile")
    await chat.message.press("Enter")
    await sent_once(chat, up)
    await expect(chat.yous).to_contain_text("typed meanwhile")


@pytest.mark.parametrize(
    ("name", "kind", "content"), [("sky.png", "image/png", PNG), ("sky.pdf", "application/pdf", PDF)]
)
async def test_a_file_goes_along(open_page: Open, up: Up, name: str, kind: str, content: bytes) -> None:
    chat = await open_page()
    bodies: list[Any] = []

    def keep(request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/v1/generations"):
            bodies.append(request.post_data_json)

    chat.page.on("request", keep)
    await chat.choose(SHORT)
    assert await chat.attach.get_attribute("type") == "file"
    await chat.attach.set_input_files([FilePayload(name=name, mimeType=kind, buffer=content)])
    await expect(chat.page.get_by_text(name)).to_be_visible()
    await chat.ask("What is it?")
    await sent_once(chat, up)
    assert "base64," in str(bodies[0]["messages"][-1]["content"])
    you = await chat.yous.inner_text()
    assert "What is it?" in you
    assert "base64" not in you
    if kind == "image/png":
        await expect(chat.yous.get_by_role("img")).to_be_visible()
        assert await chat.yous.get_by_role("img").evaluate("(node) => node.decode().then(() => node.naturalWidth)") == 1
    else:
        assert name in you


async def test_the_model_offers_what_the_server_has_and_takes_any_other(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await expect(chat.model).not_to_have_value("")
    offered = await chat.model.evaluate("(node) => [...node.list.options].map((option) => option.value)")
    assert {model["id"] for model in (await up.get("/v1/models"))["data"]} <= set(offered)
    await chat.model.fill(f"simulator/{SHORT}")
    # It counts when the field is left, here by a press of the message.
    await chat.message.click()
    await chat.ask()
    await sent_once(chat, up)
    [turn] = await up.turns(chat.page.url)
    assert turn["model"] == f"simulator/{SHORT}"


async def test_the_model_is_remembered(open_page: Open, up: Up) -> None:
    chat = await open_page()
    await chat.choose(SHORT)
    await chat.page.reload()
    await expect(chat.model).to_have_value(f"simulator/{SHORT}")
    await expect((await chat.beside(up.url)).model).to_have_value(f"simulator/{SHORT}")
