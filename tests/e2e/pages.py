"""Pages of the tests: where they are, and what is done and awaited in those of the examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

QUESTIONS: Final = ".question"
ANSWERS: Final = ".answer"
STATES: Final = "article footer"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and writes nothing about it."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The origin at which the files of a folder are."""

    def handler(*args: Any) -> Quiet:
        return Quiet(*args, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def ask(page: Page, question: str) -> None:
    """Type a question and send it."""
    await page.fill("#question", question)
    await page.click("#send")


async def until_words(found: Locator, words: int) -> str:
    """The text of an element as soon as it has more than so many words."""
    await expect(found).to_have_text(re.compile(rf"^(\S+\s+){{{words},}}\S"))
    return await found.text_content() or ""


async def has_all(page: Page, answers: list[str]) -> None:
    """Wait until the page without a library says that all is completed; it then has these answers."""
    await expect(page.locator(STATES)).to_have_text(["completed"] * len(answers))
    assert await page.locator(ANSWERS).all_text_contents() == answers
