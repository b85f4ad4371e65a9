"""The chat page as people find things on it: by role and name (issue 28)."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from tests.harness.browser import PATIENCE, POLL_S, Browser, until
from tests.judges.sdks.row import answer_of

LOREM: Final = "lorem?deltas=60&rate=20&seed=7"
"""Three seconds of plain words."""
SHORT: Final = "lorem?deltas=6&rate=0&seed=7"
LONG: Final = "lorem?deltas=4000&rate=40&seed=7"
TEXT: Final = answer_of(LOREM).text("text")
NO_TEXT: Final = (
    "header, footer, button, [role=button], [role=toolbar], [role=group], fieldset, details, [role=status], output, "
    "[role=alert], [aria-hidden=true], [aria-label=Figures]"
)
"""What is in an Answer and is not its text."""


class Chat:
    """One tab with the chat page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.message = page.get_by_role("textbox", name="Message", exact=True)
        self.model = page.get_by_role("combobox", name="Model", exact=True)
        self.attach = page.get_by_label("Attach", exact=True)
        self.log = page.get_by_role("log", name="Conversation", exact=True)
        self.status = page.get_by_role("status", name="Status", exact=True)
        self.answers = self.log.get_by_role("article", name=re.compile("^Answer"))
        self.yous = self.log.get_by_role("article", name=re.compile("^You"))
        self.alert = page.get_by_role("alert")
        self.navigation = page.get_by_role("navigation", name="Conversations", exact=True)
        self.links = self.navigation.get_by_role("link")

    @classmethod
    async def opened(cls, browser: Browser, url: str, **options: Any) -> Chat:
        """The page at this address, for a user of its own."""
        return cls(await browser.page(url, **options))

    async def beside(self, url: str = "") -> Chat:
        """Another tab of the same user; at the same address where none is named."""
        page = await self.page.context.new_page()
        await page.goto(url or self.page.url)
        return Chat(page)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """The button of this name."""
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    async def choose(self, model: str) -> None:
        """Type a model of the simulator, and leave the field."""
        # What the server offers must be there: else it could still be filled in.
        await expect(self.model).not_to_have_value("")
        await self.model.fill(model if "/" in model.partition("?")[0] else f"simulator/{model}")
        await self.model.press("Tab")

    async def ask(self, text: str = "Why is the sky blue?", model: str = "") -> None:
        """Send a message with Enter; its turn is then there."""
        if model:
            await self.choose(model)
        turns = await self.answers.count()
        await self.message.fill(text)
        await self.message.press("Enter")
        await expect(self.answers).to_have_count(turns + 1)

    async def says(self, words: int = 5) -> str:
        """The newest answer's text once it has more than so many words."""
        async with asyncio.timeout(PATIENCE):
            while len((text := await self.text()).split()) <= words:
                await asyncio.sleep(POLL_S)
        return text

    async def ended(self) -> None:
        """Wait for the end of what runs."""
        await expect(self.log).to_have_attribute("aria-busy", "false")

    async def whole(self, text: str = TEXT) -> None:
        """Wait for the end; the newest answer then says this, once."""
        await self.ended()
        await expect(self.status).to_contain_text("done")
        assert await self.text() == text

    async def text(self, at: int = -1) -> str:
        """The text of an answer, by rule 5."""
        return await text_of(self.answers.nth(at))

    async def watch_status(self) -> None:
        """From now on keep each text of the status."""
        await self.status.evaluate(
            """(node) => {
              window.said = [node.textContent];
              new MutationObserver(() => window.said.push(node.textContent))
                .observe(node, { childList: true, characterData: true, subtree: true });
            }"""
        )

    async def said(self) -> str:
        """The words that the status had since then, in their order, each as often as it came."""
        words = "queued|thinking|streaming|reconnecting|resumed|done|stopped|failed"
        texts = [re.search(words, text) for text in await self.page.evaluate("window.said")]
        found = [match[0] for match in texts if match]
        return " ".join(word for at, word in enumerate(found) if at == 0 or found[at - 1] != word)

    async def until(self, expression: str) -> Any:
        """The value of an expression as soon as it counts as true."""
        return await until(self.page, expression)


async def text_of(article: Locator) -> str:
    """The text of an Answer: what it holds outside of all that is none."""
    found = await article.evaluate(
        """(article, none) => {
          const copy = article.cloneNode(true);
          for (const node of copy.querySelectorAll(none)) node.remove();
          return copy.textContent;
        }""",
        NO_TEXT,
    )
    return str(found).strip()
