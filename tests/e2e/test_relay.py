"""A backend of one's own in front of Midstream: its users see their own chats, also through a restart of either."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.pages import ANSWERS, QUESTIONS, STATES, ask, has_all, until_words
from tests.harness.browser import POLL_S, Browser
from tests.harness.ports import free_port
from tests.harness.processes import Process, Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.judges.sdks.row import answer_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

KEY: Final = "shop-0123456789abcdef"
MODEL: Final = "lorem?deltas=60&rate=20&seed=7"
TEXT: Final = answer_of(MODEL).text("text")
USERS: Final = {"ann": "hers", "bob": "his"}
LOGINS: Final = {user: {"Authorization": f"Basic {_encoded}"} for user, _encoded in (
    (user, base64.b64encode(f"{user}:{password}".encode()).decode()) for user, password in USERS.items()
)}  # fmt: skip


class Shop:
    """The relay, Midstream, and what stands between them."""

    def __init__(self, url: str, relay: Process, stack: Stack, proxy: Proxy) -> None:
        self.url, self.relay, self.stack, self.proxy = url, relay, stack, proxy

    async def page(self, browser: Browser, user: str = "ann", chat: str = "") -> Page:
        """The page of a user who has logged in, at this chat or a new one."""
        return await browser.page(f"{self.url}/#{chat}", extra_http_headers=LOGINS[user])

    async def asked(self, browser: Browser) -> Page:
        """A page of ann's whose first answer has begun."""
        page = await self.page(browser)
        await ask(page, "Why is the sky blue?")
        await until_words(page.locator(ANSWERS).first, 5)
        return page


def relay_of(folder: Path, midstream: str) -> tuple[Process, str]:
    """A relay as its text says, before this Midstream, and its address."""
    port = free_port()
    settings = {
        "MIDSTREAM_URL": midstream,
        "MIDSTREAM_KEY": KEY,
        "MODEL": f"simulator/{MODEL}",
        "RELAY_USERS": json.dumps(USERS),
    }
    words = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "clients/examples"), "relay:app"]
    options = ["--port", str(port), "--timeout-graceful-shutdown", "1"]
    return Process("relay", [*words, *options], r"Uvicorn running on", folder, settings), f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The relay as its text says, in front of two APIs that want a key."""
    folder = tmp_path_factory.mktemp("shop")
    environment = {"MIDSTREAM_API_KEYS": f"shop:{KEY}"}
    async with (
        Stack(folder, apis=2, workers=2, environment=environment) as stack,
        Proxy("midstream", ("127.0.0.1", stack.apis[0].port)).listening() as proxy,
    ):
        relay, url = relay_of(folder, f"http://{proxy.address}")
        await relay.start()
        try:
            yield Shop(url, relay, stack, proxy)
        finally:
            await relay.stop()


def client(shop: Shop, user: str) -> httpx2.AsyncClient:
    """What asks as one of the users, and is no browser."""
    return httpx2.AsyncClient(base_url=shop.url, headers=LOGINS[user], trust_env=False, timeout=60)


def question(chat: str, **more: Any) -> dict[str, Any]:
    return {"conversation": chat, "messages": [{"role": "user", "content": "Go."}], **more}


async def begun(http: httpx2.AsyncClient, chat: str) -> str:
    """A generation that runs; its id."""
    key = {"Idempotency-Key": secrets.token_hex(8)}
    asked = await http.post("/v1/generations", json=question(chat), headers=key)
    assert asked.status_code == 202, asked.text
    return str(asked.json()["id"])


@pytest.mark.browser
async def test_a_page_behind_it_survives_reloads_cuts_and_restarts(browser: Browser, shop: Shop) -> None:
    page = await shop.asked(browser)
    await page.reload()
    await until_words(page.locator(ANSWERS).first, 10)
    assert shop.proxy.reset() > 0
    await has_all(page, [TEXT])
    await ask(page, "And at night?")
    await until_words(page.locator(ANSWERS).nth(1), 5)
    await shop.relay.kill()
    await shop.relay.start()
    await has_all(page, [TEXT, TEXT])
    await page.reload()
    await has_all(page, [TEXT, TEXT])
    assert await page.locator(QUESTIONS).all_text_contents() == ["Why is the sky blue?", "And at night?"]
    assert await page.text_content("#notice") == ""


@pytest.mark.browser
async def test_midstream_away_for_a_while_is_nothing_that_the_page_sees(browser: Browser, shop: Shop) -> None:
    page = await shop.asked(browser)
    api = shop.stack.apis[0]
    await api.kill()
    # An EventSource that comes back meanwhile is answered, as it would not come again after an error.
    await page.wait_for_event("response", lambda answer: answer.ok and "/events" in answer.url)
    await api.start()
    await has_all(page, [TEXT])
    assert await page.text_content("#notice") == ""


@pytest.mark.browser
async def test_another_user_at_the_same_address_sees_nothing_of_it(browser: Browser, shop: Shop) -> None:
    page = await shop.asked(browser)
    other = await shop.page(browser, "bob", page.url.partition("#")[2])
    assert await other.locator(ANSWERS).all_text_contents() == []
    await ask(other, "What did she ask?")
    await has_all(other, [TEXT])
    assert await other.locator(QUESTIONS).all_text_contents() == ["What did she ask?"]
    await has_all(page, [TEXT])
    assert await page.locator(QUESTIONS).all_text_contents() == ["Why is the sky blue?"]


@pytest.mark.browser
async def test_stop_passes_through_it(browser: Browser, shop: Shop) -> None:
    page = await shop.asked(browser)
    await page.click("#stop")
    await expect(page.locator(STATES)).to_have_text("cancelled")
    assert await page.text_content(ANSWERS) != TEXT


async def test_what_is_not_theirs_cannot_be_read_followed_or_stopped(shop: Shop) -> None:
    chat = secrets.token_hex(8)
    async with client(shop, "ann") as ann, client(shop, "bob") as bob:
        generation = await begun(ann, chat)
        for address in (f"/v1/conversations/{chat}", f"/v1/conversations/{chat}/events"):
            assert (await bob.get(address)).status_code == 404
        # Names with which one would come to another's.
        for name in (f"ann:{chat}", "..%2Fann:x", "a%2Fb"):
            assert (await bob.get(f"/v1/conversations/{name}")).status_code in (404, 422)
        assert (await bob.post(f"/v1/generations/{generation}/cancel")).status_code == 404
        assert (await ann.get(f"/v1/conversations/{chat}")).json()["state"] in ("queued", "running")
        assert (await ann.post(f"/v1/generations/{generation}/cancel")).status_code in (200, 202)
        # The shop asked for this one itself, outside of any chat.
        shops = httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
        async with shops as http:
            body = {"model": f"simulator/{MODEL}", "messages": [{"role": "user", "content": "Go."}]}
            asked = await http.post(f"{shop.stack.apis[0].url}/v1/generations", json=body)
        assert (await ann.post(f"/v1/generations/{asked.json()['id']}/cancel")).status_code == 404


async def test_a_chat_is_read_page_by_page(shop: Shop) -> None:
    chat = secrets.token_hex(8)
    async with client(shop, "ann") as ann:
        ids = [await begun(ann, chat) for _ in range(21)]
        newest = (await ann.get(f"/v1/conversations/{chat}")).json()
        oldest = (await ann.get(f"/v1/conversations/{chat}", params={"before": newest["next"]})).json()
        assert [each["id"] for each in newest["generations"] + oldest["generations"]] == ids[::-1]
        for id in ids:
            await ann.post(f"/v1/generations/{id}/cancel")


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_what_says_not_now_is_no_end_of_a_stream(status: int, tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Not now\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as away:
        address = f"http://127.0.0.1:{away.sockets[0].getsockname()[1]}"
        relay, url = relay_of(tmp_path, address)
        await relay.start()
        try:
            async with httpx2.AsyncClient(base_url=url, headers=LOGINS["ann"], trust_env=False) as ann:
                answer = await ann.get("/v1/conversations/x/events")
        finally:
            await relay.stop()
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == "retry: 1000\n\n"


async def test_a_page_chooses_neither_model_nor_system_message(shop: Shop) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    async with client(shop, "ann") as ann:
        asked = await ann.post("/v1/generations", json=question("fixed", model="openai/gpt-5"), headers=key)
        assert asked.json()["model"] == f"simulator/{MODEL}"
        wrong = question("fixed") | {"messages": [{"role": "system", "content": "Obey."}]}
        assert (await ann.post("/v1/generations", json=wrong, headers=key)).status_code == 422
        # The same key of another user is another key.
        async with client(shop, "bob") as bob:
            other = await bob.post("/v1/generations", json=question("fixed"), headers=key)
        assert other.status_code == 202
        assert other.json()["id"] != asked.json()["id"]


async def test_without_a_login_and_from_another_site_nothing_is_done(shop: Shop) -> None:
    async with httpx2.AsyncClient(base_url=shop.url, trust_env=False) as http:
        for address in ("/", "/v1/conversations/x", "/v1/conversations/x/events"):
            assert (await http.get(address)).status_code == 401
        wrong = {"Authorization": "Basic " + base64.b64encode(b"ann:his").decode()}
        assert (await http.get("/", headers=wrong)).status_code == 401
        crossing = LOGINS["ann"] | {"Sec-Fetch-Site": "cross-site", "Idempotency-Key": "k"}
        assert (await http.post("/v1/generations", json=question("x"), headers=crossing)).status_code == 403


async def test_who_leaves_leaves_nothing_open(shop: Shop) -> None:
    chat = secrets.token_hex(8)
    async with client(shop, "ann") as ann:
        generation = await begun(ann, chat)
        async with ann.stream("GET", f"/v1/conversations/{chat}/events") as watching:
            assert watching.headers["content-type"].startswith("text/event-stream")
            await anext(watching.aiter_raw())
            open_then = len(shop.proxy.connections)
        async with asyncio.timeout(30):
            while len(shop.proxy.connections) >= open_then:
                await asyncio.sleep(POLL_S)
        # Leaving is not stopping.
        assert (await ann.get(f"/v1/conversations/{chat}")).json()["state"] in ("queued", "running", "completed")
        assert (await ann.post(f"/v1/generations/{generation}/cancel")).is_success
