"""Markdown that would do harm: whatever it is split into, it stays text, and nothing is asked of anyone."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import Page

from tests.e2e.page.modules import address as address
from tests.e2e.page.modules import page as page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

UNSAFE: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<svg/onload="alert(1)"><iframe srcdoc="<script>alert(1)</script>">',
    "<style>*{background:url(https://evil.example/)}</style>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt&#58;alert(1)) [b](java\nscript:alert(1)) [c](<java\tscript:alert(1)>)",
    "[a](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[a](vbscript:x) [b](file:///etc/passwd) [c](blob:https://x) [d](//evil.example) [e](/v1/models) [f](about:blank)",
    "<javascript:alert(1)> [a][x]\n\n[x]: javascript:alert(1)\n\n[a][x]",
    "![a](javascript:alert(1)) ![b](https://evil.example/p.png) ![c](data:text/html,<script>alert(1)</script>)",
    '[a](https://example.com/"onmouseover="alert(1)) ![x](data:image/png;base64,AAAA"onload="alert(1))',
    '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
    "`<img src=x onerror=alert(1)>` **<img src=x onerror=alert(1)>** | <img src=x onerror=alert(1)>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |\n",
    "- <a href=javascript:alert(1)>x</a>\n- &lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "[a][constructor] [b][__proto__] [constructor] &constructor; &__proto__;",
    "[![a](https://evil.example/p.png)](https://example.com/ok)",
)
JUDGE: Final = """(node) => {
  const wrong = [];
  for (const found of node.querySelectorAll("*")) {
    const allowed = "h1 h2 h3 h4 h5 h6 p ul ol li blockquote em strong del code pre a img hr div table thead tbody tr"
      + " th td input span header button";
    if (!allowed.split(" ").includes(found.localName)) wrong.push(found.outerHTML);
    for (const { name, value } of found.attributes) {
      if (name.startsWith("on") || name === "style" || name === "srcdoc") wrong.push(found.outerHTML);
      if (name === "href" && !/^(https?|mailto):/.test(value)) wrong.push(found.outerHTML);
      if (name === "src" && !/^data:image[/]/.test(value)) wrong.push(found.outerHTML);
    }
  }
  return wrong;
}"""
"""What is under a node and must not be."""


async def test_nothing_unsafe_is_made_whatever_is_split(page: Page) -> None:
    for text in UNSAFE:
        wrong = await page.evaluate(
            f"""(text) => Array.from(text).flatMap((_, end) => {{
                const markdown = begin();
                markdown.update(text.slice(0, end), false);
                const early = ({JUDGE})(markdown.node);
                markdown.update(text, true);
                return [...early, ...({JUDGE})(markdown.node)];
            }})""",
            text,
        )
        assert wrong == [], text
    assert await page.evaluate(f"({JUDGE})(document.querySelector('main'))") == []


async def test_what_is_no_safe_link_and_no_safe_picture_stays_readable(page: Page) -> None:
    async def text(markdown: str) -> Any:
        return await page.evaluate("text => whole(text).textContent", markdown)

    assert await text("[a](javascript:alert(1))") == "[a](javascript:alert(1))"
    assert await text("[guide](docs/guide.md)") == "[guide](docs/guide.md)"
    assert await text("![a cat](https://example.com/cat.png)") == "a cat"
    assert await text("<script>alert(1)</script>") == "<script>alert(1)</script>"
    links = "text => Array.from(whole(text).querySelectorAll('a, img'), found => found.href || found.src)"
    assert await page.evaluate(links, "![a](https://example.com/a.png) <me@example.com> www.example.com") == [
        "https://example.com/a.png",
        "mailto:me@example.com",
        "http://www.example.com/",
    ]
    assert await page.evaluate(links, "![a](data:image/gif;base64,R0lGODlhAQABAAAAACw=)") == [
        "data:image/gif;base64,R0lGODlhAQABAAAAACw="
    ]
