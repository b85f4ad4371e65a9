"""Makes docs/pictures: the chat page's main states, as Chromium shows them: `python -m tests.e2e.page.screenshots`.

Each is a real answer of a real `midstream up` with its simulator, and nothing is painted over.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.conftest import forget_environment
from tests.e2e.page.chat import Chat
from tests.e2e.page.up import Up
from tests.harness.browser import Browser, chromium
from tests.harness.repository import ROOT

PICTURES: Final = ROOT / "docs/pictures"
LARGEST: Final = 120_000
"""Bytes of a picture, at most: each clone of the repository has them all."""
WIDE: Final[Any] = {"width": 1280, "height": 800}
NARROW: Final[Any] = {"width": 360, "height": 740}

Open = Callable[..., Awaitable[Chat]]


async def streaming(opened: Open) -> Chat:
    """Code is highlighted while it comes."""
    chat = await opened()
    await chat.button("Write code").click()
    await expect(chat.answers.last.locator("pre code span").nth(12)).to_be_visible()
    return chat


async def resumed(opened: Open) -> Chat:
    """A connection was cut, and the answer went on."""
    chat = await opened()
    await chat.ask("Write code that survives a cut.")
    await chat.says(60)
    await chat.button("Cut the connection").click()
    await expect(chat.status).to_contain_text("resumed at event")
    return chat


async def superseded(opened: Open) -> Chat:
    """A worker was killed, and the next one begins anew."""
    chat = await opened()
    await chat.ask("Write a program that outlives its connection.")
    await chat.says(30)
    await chat.button("Kill the worker").click()
    await expect(chat.answers.last.get_by_role("group", name=re.compile("^Superseded"))).to_be_visible()
    await expect(chat.status).to_contain_text("streaming")
    return chat


async def versions(opened: Open) -> Chat:
    """A message was edited, so that there are two versions."""
    chat = await opened()
    await chat.ask("Does an echo outlive the voice?", model="echo?rate=0")
    await chat.ended()
    await chat.yous.first.get_by_role("button", name="Edit", exact=True).click()
    field = chat.page.get_by_role("textbox", name="Edit message", exact=True)
    await field.fill("Does an echo outlive *its* **voice**? [Look](https://example.org/echo) at `echo?rate=0`.")
    await field.press("Enter")
    await expect(chat.answers.last.get_by_role("link", name="Look")).to_be_visible()
    await chat.ended()
    await expect(chat.status).to_contain_text("done")
    return chat


async def tool_call(opened: Open) -> Chat:
    """A call of a tool, unfolded."""
    chat = await opened()
    await chat.button("Use a tool").click()
    await expect(chat.status).to_contain_text("done")
    await chat.answers.last.locator("details.tool_call summary").click()
    return chat


async def failed(opened: Open) -> Chat:
    """The provider answered no try."""
    chat = await opened()
    await chat.ask("Will this go well?", model="lorem?deltas=9&rate=0&fault=500&times=9&key=pictures")
    await expect(chat.button("Retry")).to_be_visible()
    return chat


async def share(opened: Open) -> Chat:
    """A link to an answer."""
    chat = await opened()
    await chat.ask("Say something to be passed on.", model="lorem?deltas=50&rate=100")
    await expect(chat.status).to_contain_text("done")
    await chat.answers.last.get_by_role("button", name="Share", exact=True).click()
    dialog = chat.page.get_by_role("dialog", name="Share", exact=True)
    await expect(dialog.get_by_role("textbox", name="Link", exact=True)).to_have_value(re.compile("/s/"))
    return chat


async def dark(opened: Open) -> Chat:
    """A whole answer with code, for who wants it dark."""
    chat = await opened(color_scheme="dark")
    await chat.choose("demo?rate=200")
    await chat.button("Write code").click()
    await expect(chat.status).to_contain_text("done")
    await expect(chat.answers.last.locator("pre code span").first).to_be_visible()
    return chat


async def narrow(opened: Open) -> Chat:
    """The list of conversations on a small screen."""
    chat = await opened(viewport=NARROW)
    await chat.ask("Are tables wide?", model="demo?rate=200")
    await expect(chat.status).to_contain_text("done")
    await chat.button("Conversations").click()
    await expect(chat.links.first).to_be_visible()
    return chat


async def new_chat(opened: Open) -> Chat:
    """The three prompts, beside what was asked before."""
    chat = await opened()
    await expect(chat.button("Write code")).to_be_visible()
    await expect(chat.links.first).to_be_visible()
    return chat


SCENES: Final = (streaming, resumed, superseded, versions, tool_call, failed, share, dark, narrow, new_chat)
"""In this order: the last ones show the conversations of the first."""


async def make(names: Sequence[str]) -> list[str]:
    """Write these pictures; what is wrong with them."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="midstream-pictures-") as folder:
        up = Up(Path(folder), {})
        await up.start()
        try:
            async with chromium() as program:
                for scene in SCENES:
                    if scene.__name__ in names:
                        wrong += await _picture(Browser(program), up.url, scene)
        finally:
            await up.stop()
    return wrong


async def _picture(browser: Browser, url: str, scene: Callable[[Open], Awaitable[Chat]]) -> list[str]:
    async def opened(**options: Any) -> Chat:
        return await Chat.opened(browser, url, **{"viewport": WIDE, "reduced_motion": "reduce"} | options)

    path = PICTURES / f"{scene.__name__.replace('_', '-')}.png"
    chat = await scene(opened)
    await chat.page.screenshot(path=path, caret="hide")
    await chat.page.keyboard.press("Escape")  # stops what runs
    await chat.ended()
    await browser.close()
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size} bytes")
    return browser.faults + ([f"{path.name} has more than {LARGEST} bytes"] if size > LARGEST else [])


def main(words: Sequence[str] | None = None) -> int:
    """Make the pictures; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.page.screenshots", description=__doc__)
    names = [scene.__name__ for scene in SCENES]
    parser.add_argument("names", nargs="*", choices=[*names, "all"], default="all", help="all where none is named")
    asked = parser.parse_args(words)
    forget_environment()
    PICTURES.mkdir(exist_ok=True)
    try:
        wrong = asyncio.run(make(names if "all" in asked.names else asked.names))
    except pytest.skip.Exception as missing:
        wrong = [str(missing)]
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
