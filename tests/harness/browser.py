"""Debian's Chromium, driven by Playwright; what a page does wrong in it fails the test that opened the page."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright import async_api
from playwright.async_api import BrowserContext, ConsoleMessage, Error, Page, async_playwright, expect

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
PATIENCE: Final = 60.0
POLL_S: Final = 0.05
REPORT: Final = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) =>
  console.error("Content Security Policy:", effectiveDirective, blockedURI, sample));
"""
"""A browser says most violations by itself, in words that change; so each is said."""
NETWORK: Final = re.compile(r"Failed to load resource: (net::ERR_|.*\(http://[^/]+/(v1/|api/|demo/|s/|favicon))")
"""What the browser itself says in the console of a connection that was cut, and of what an API refused, and that there
is no icon: no page can keep it quiet. A file of the page's own that is not there is a fault."""

expect.set_options(timeout=PATIENCE * 1000)


class Browser:
    """A running browser as one test sees it: its users know nothing of each other, and end with the test."""

    def __init__(self, chromium: async_api.Browser) -> None:
        self._chromium = chromium
        self._users: list[BrowserContext] = []
        self._excused: list[re.Pattern[str]] = [NETWORK]
        self.faults: list[str] = []
        """Exceptions that nobody caught, errors in the console, and what the security policy refused."""

    async def user(self, **options: Any) -> BrowserContext:
        """A user of its own: tabs in it share what they keep. Options are those of Playwright's `new_context`."""
        user = await self._chromium.new_context(**options)
        user.set_default_timeout(PATIENCE * 1000)
        user.on("weberror", lambda error: self._note(f"exception: {error.error}"))
        user.on("console", self._hear)
        await user.add_init_script(REPORT)
        self._users.append(user)
        return user

    async def page(self, url: str = "", **options: Any) -> Page:
        """A tab of a user of its own, at this address."""
        page = await (await self.user(**options)).new_page()
        if url:
            await page.goto(url)
        return page

    def excuse(self, pattern: str) -> None:
        """From now on what has this pattern is no fault: the test itself brings it about."""
        self._excused.append(re.compile(pattern))

    async def close(self) -> None:
        """End its users."""
        for user in self._users:
            await user.close()

    def check(self) -> None:
        """Fail where a page did something wrong."""
        assert self.faults == [], "\n".join(self.faults)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location['url']})")

    def _note(self, fault: str) -> None:
        if not any(pattern.search(fault) for pattern in self._excused):
            self.faults.append(fault)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[async_api.Browser]:
    """The machine's browser, ended at the end of the block; skips where it or Playwright's driver is missing."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed")
    starting = async_playwright()
    try:
        playwright = await starting.start()
    except Error as error:
        pytest.skip(f"Playwright's driver does not start: {error.message.splitlines()[0]}")
    try:
        # Its sandbox cannot be made as root and in containers, and is off unless asked for; it sees pages of ours only.
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-proxy-server"])
        try:
            yield browser
        finally:
            await browser.close()
    finally:
        await playwright.stop()


async def other_tab(page: Page) -> Page:
    """Another tab of the same user, at the same address."""
    other = await page.context.new_page()
    await other.goto(page.url)
    return other


async def until(page: Page, expression: str) -> Any:
    """The value of an expression as soon as it counts as true."""
    return await (await page.wait_for_function(expression, polling=POLL_S * 1000)).json_value()
