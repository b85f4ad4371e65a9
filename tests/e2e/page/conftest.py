"""A running `midstream up` that the tests of a module share, and its page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.page.chat import Chat
from tests.e2e.page.up import Up
from tests.harness.browser import Browser

Open = Callable[..., Awaitable[Chat]]
"""Opens the page at a path, for a user of its own."""
Start = Callable[..., Awaitable[Up]]
"""Starts a `midstream up` with these settings."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    """Starts one with settings of its own, for all tests of the module."""
    started: list[Up] = []

    async def begin(**settings: str) -> Up:
        up = Up(tmp_path_factory.mktemp("up"), settings)
        started.append(up)
        await up.start()
        return up

    yield begin
    for up in started:
        await up.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(start: Start) -> Up:
    """One without settings."""
    return await start()


@pytest.fixture
def open_page(browser: Browser, up: Up) -> Open:
    """Opens its page."""

    async def opened(path: str = "/", **options: Any) -> Chat:
        return await Chat.opened(browser, f"{up.url}{path}", **options)

    return opened
