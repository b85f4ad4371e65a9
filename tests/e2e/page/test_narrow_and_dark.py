"""Rule 18, its second half: narrow, dark, without motion, from right to left, and by keyboard alone."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import SHORT, Chat
from tests.e2e.page.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

NARROW: Final[Any] = {"width": 360, "height": 740}
WIDE: Final = "x" * 300
TEXT: Final = f"A {WIDE} word\n\n```\n{'code ' * 60}\n```\n\n|{'head |' * 20}\n|{'---|' * 20}\n|{'cell |' * 20}\n"
SIDEWAYS: Final = """
[...document.querySelectorAll("*")].filter((node) => {
  if (node.clientWidth === 0 || node.closest("pre, table, .wide, textarea, input")) return false;
  const { overflowX } = getComputedStyle(node);
  return node.scrollWidth > node.clientWidth + 1 && ["auto", "scroll"].includes(overflowX);
}).map((node) => node.outerHTML.slice(0, 100))
"""
SMALL: Final = """
[...document.querySelectorAll("button, a[href], input, textarea, select, summary, [role=button], label.button")]
  .filter((node) => node.checkVisibility() && !node.closest("[role=article] p, article p, li > p"))
  .map((node) => [node.getBoundingClientRect(), (node.ariaLabel ?? node.textContent).trim()])
  .filter(([{ width, height }]) => width && (width < 24 || height < 24))
  .map(([{ width, height }, name]) => [name, width, height])
"""


async def filled(chat: Chat) -> None:
    """Two turns, one with code and a table that are too wide."""
    await chat.ask(TEXT, model="echo?rate=0")
    await chat.ended()
    await chat.ask("And more?", model="reasoning?deltas=30&rate=0")
    await chat.ended()


async def test_at_360_px_only_tables_and_code_scroll_sideways(open_page: Open) -> None:
    chat = await open_page(viewport=NARROW)
    await filled(chat)
    assert await chat.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await chat.page.evaluate(SIDEWAYS) == []
    wide = chat.answers.first.get_by_role("table")
    assert await wide.evaluate("(node) => node.getBoundingClientRect().width") > 360
    code = chat.answers.first.locator("pre")
    assert await code.evaluate("(node) => node.scrollWidth > node.clientWidth")
    await expect(chat.message).to_be_in_viewport()
    await expect(chat.button("Send")).to_be_in_viewport()


async def test_targets_are_24_px_at_least(open_page: Open) -> None:
    chat = await open_page(viewport=NARROW)
    assert await chat.page.evaluate(SMALL) == []
    await filled(chat)
    assert await chat.page.evaluate(SMALL) == []
    await chat.button("Conversations").click()
    assert await chat.page.evaluate(SMALL) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_as_light_as_the_user_wants_it(open_page: Open, scheme: str) -> None:
    chat = await open_page(color_scheme=scheme)
    color = await chat.page.evaluate(
        """() => { const pixel = new OffscreenCanvas(1, 1).getContext("2d");
          pixel.fillStyle = getComputedStyle(document.body).backgroundColor;
          pixel.fillRect(0, 0, 1, 1);
          return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3); }"""
    )
    assert min(color) > 200 if scheme == "light" else max(color) < 60, color


async def test_nothing_moves_for_who_wants_no_motion(open_page: Open) -> None:
    chat = await open_page(reduced_motion="reduce")
    await chat.ask(model="lorem?deltas=60&rate=20")
    await chat.says(3)
    await chat.button("Kill the worker").click()
    await expect(chat.answers.last.get_by_role("group", name="Superseded")).to_be_visible()
    lasting = "document.getAnimations().map((one) => one.effect.getComputedTiming().duration).filter((ms) => ms > 10)"
    assert await chat.page.evaluate(lasting) == []
    await chat.ended()


async def test_what_is_written_from_right_to_left_is_laid_out_so(open_page: Open) -> None:
    chat = await open_page()
    hebrew = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
    await chat.message.fill(hebrew)
    direction = "(node) => getComputedStyle(node).direction"
    assert await chat.message.evaluate(direction) == "rtl"
    await chat.ask(f"{hebrew}\n\nlatin words", model="echo?rate=0")
    await chat.ended()
    blocks = chat.answers.last.locator("p")
    assert await blocks.filter(has_text=hebrew).first.evaluate(direction) == "rtl"
    assert await blocks.filter(has_text="latin words").first.evaluate(direction) == "ltr"
    assert await chat.yous.last.get_by_text(hebrew).first.evaluate(direction) == "rtl"


async def test_all_is_done_by_keyboard_and_the_focus_is_seen(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(model=SHORT)
    await chat.ended()
    names, unseen = set(), []
    focused = """() => {
      const node = document.activeElement;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(node);
      const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
      const seen = node === document.body || outlined || boxShadow !== "none";
      return [node.ariaLabel ?? node.labels?.[0]?.textContent.trim() ?? node.textContent.trim(), seen];
    }"""
    for _ in range(60):
        await chat.page.keyboard.press("Tab")
        name, seen = await chat.page.evaluate(focused)
        names.add(name)
        if not seen:
            unseen.append(name)
    wanted = {"Message", "Send", "Model", "New chat", "Edit", "Copy", "Regenerate", "Share", "Attach"}
    assert wanted <= names
    assert not [name for name in unseen if name and name != "Midstream"], unseen
