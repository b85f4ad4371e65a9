"""Rule 18, its first half: what may run, what is fetched, and how much that is."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.async_api import Response, expect

from tests.e2e.page.conftest import Open
from tests.e2e.page.up import Up
from tests.harness.repository import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest.mark.parametrize("path", ["/", "/c/any", "/g/gen_any"])
async def test_each_address_has_the_policy(up: Up, path: str) -> None:
    async with httpx2.AsyncClient(base_url=up.url, trust_env=False) as http:
        policy = (await http.get(path)).headers["content-security-policy"]
    directives = {
        name: sources.split() for name, _, sources in (part.strip().partition(" ") for part in policy.split(";"))
    }
    assert directives["default-src"] in (["'none'"], ["'self'"])
    for name in ("base-uri", "frame-ancestors"):
        assert directives[name]
    assert directives.get("object-src") or directives["default-src"] == ["'none'"]
    for sources in directives.values():
        for source in sources:
            assert source in ("'none'", "'self'", "data:", "blob:"), policy


async def test_nothing_is_from_elsewhere_and_the_scripts_are_small(open_page: Open, up: Up) -> None:
    chat = await open_page()
    answers: list[Response] = []
    chat.page.on("response", lambda answer: answers.append(answer))
    await chat.page.reload()
    await chat.ask("```python\nprint(1)\n```", model="echo?rate=0")
    await chat.ended()
    await expect(chat.answers.last.locator("pre code span").first).to_be_visible()
    assert [answer.url for answer in answers if not answer.url.startswith(up.url)] == []
    scripts = {answer.url: answer for answer in answers if answer.request.resource_type == "script"}
    assert any("highlight" in url for url in scripts)
    total = 0
    async with httpx2.AsyncClient(trust_env=False, headers={"Accept-Encoding": "gzip"}) as http:
        for url in scripts:
            async with http.stream("GET", url) as answer:
                total += sum([len(chunk) async for chunk in answer.aiter_raw()])
    assert 20_000 < total <= 150_000


def lines() -> dict[str, int]:
    return {file.name: len(file.read_text("utf-8").splitlines()) for file in (ROOT / "api/web").glob("*.js")}


async def test_the_pages_own_scripts_are_under_1500_lines() -> None:
    assert sum(lines().values()) < 1500, lines()


async def test_each_file_is_one_noun() -> None:
    assert [name for name in lines() if not re.fullmatch(r"[a-z]+(_[a-z]+)?\.js", name)] == []
