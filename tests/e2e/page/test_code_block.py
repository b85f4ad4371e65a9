"""Blocks of code: their text grows in its place, is highlighted, and is copied alone."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.e2e.page.modules import VENDOR, tab
from tests.e2e.page.modules import address as address
from tests.e2e.page.modules import page as page
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_the_text_of_code_grows_in_its_node_and_is_copied_alone(page: Page) -> None:
    code = "".join(f"value_{number} = {number}\n" for number in range(1_000))
    same = await page.evaluate(
        """async (code) => {
            window.markdown = begin();
            markdown.update("```python\\n" + code.slice(0, 5000), false);
            const text = markdown.node.querySelector("code").lastChild;
            for (let end = 5000; end < code.length; end += 50) {
                markdown.update("```python\\n" + code.slice(0, end), false);
            }
            const same = markdown.node.querySelector("code").lastChild === text;
            markdown.update("```python\\n" + code + "```\\n\\nDone.", true);
            await until(() => markdown.node.querySelector(".hljs-number"));
            return same;
        }""",
        code,
    )
    assert same is True
    await page.get_by_role("button", name="Copy code").click()
    assert await page.evaluate("navigator.clipboard.readText()") == code.removesuffix("\n")
    # What of it is no answer is where it does not count.
    assert await page.evaluate(
        """() => {
            const copy = markdown.node.cloneNode(true);
            copy.querySelectorAll("header").forEach((header) => header.remove());
            return copy.textContent;
        }"""
    ) == code.removesuffix("\n") + ("Done.")


async def test_code_that_was_selected_is_highlighted_when_the_user_lets_go(page: Page) -> None:
    await page.evaluate(
        """async () => {
            await import("/vendor/highlight.js");
            window.markdown = begin();
            markdown.update("```python\\nimport json", false);
            const code = markdown.node.querySelector("code");
            await until(() => code.querySelector("span"));
            const noticed = new Promise((resolve) =>
                document.addEventListener("selectionchange", resolve, { once: true }));
            getSelection().selectAllChildren(code);
            await noticed;
            markdown.update("```python\\nimport json\\nimport sys\\n```\\n", true);
        }"""
    )
    assert await page.evaluate("markdown.node.querySelectorAll('code span').length") == 1
    assert await page.evaluate("markdown.node.querySelector('code').textContent") == "import json\nimport sys"
    await page.evaluate("getSelection().removeAllRanges()")
    await page.evaluate("until(() => markdown.node.querySelectorAll('code span').length === 2)")


async def test_without_the_highlighter_code_stays_plain(browser: Browser, address: str) -> None:
    if not VENDOR[0].is_file():
        pytest.skip("api/web/vendor/marked.js: not built (make page)")
    page = await tab(browser, address, "highlight.js")
    await page.evaluate("async () => { window.shown = whole('```py\\n1\\n```'); await frame(); }")
    assert await page.evaluate("shown.querySelector('code').innerHTML") == "1"


async def test_huge_code_stays_plain(page: Page) -> None:
    shown = """async ([line, times]) => {
        const node = whole("```python\\n" + line.repeat(times) + "```\\n");
        await import("/vendor/highlight.js");
        await frame();
        return node.querySelectorAll("code span").length > 0;
    }"""
    assert await page.evaluate(shown, ["x = 1\n", 100])
    assert not await page.evaluate(shown, ["x = 1\n", 20_000])
