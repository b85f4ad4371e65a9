"""Markdown while it grows: what is shown, what stays, what is read again.

`marked` and highlight.js are built by `make page`; without them only the text as it is can be tried.
"""

from __future__ import annotations

import random
from typing import Final

import pytest
from playwright.async_api import Page

from tests.conftest import TEST_SEED
from tests.e2e.page.modules import address as address
from tests.e2e.page.modules import page as page
from tests.e2e.page.modules import tab
from tests.harness.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ALL: Final = """# Head *one*

A paragraph with **strong**, *em*, ~~gone~~, `code <b>`, https://example.com/a and [a link](https://example.com/b "t").
A second line.

Setext
---

- one
- two
  - three

    four
- [x] done
- [ ] to do

3. third

4. [X] fourth

> a quote
> - with a list

| left | right |
|:-----|------:|
| `a`  | b<br>c |

```python
def add(a, b):
    return a + b  # sum
```

    indented

***

[label]: https://example.com/c

See [label], &amp; &#169; &lt;b&gt; \\*not em\\* and <i>html</i>.

<details>
<summary>folded</summary>
</details>

~~~
never closed
"""
"""What Markdown has, once each."""

HTML: Final = (
    '<h1 dir="auto">Head <em>one</em></h1>'
    '<p dir="auto">A paragraph with <strong>strong</strong>, <em>em</em>, <del>gone</del>, '
    '<code>code &lt;b&gt;</code>, <a href="https://example.com/a" {out}>https://example.com/a</a> and '
    '<a href="https://example.com/b" title="t" {out}>a link</a>.\nA second line.</p>'
    '<h2 dir="auto">Setext</h2>'
    '<ul dir="auto"><li>one</li><li>two<ul><li><p>three</p><p>four</p></li></ul></li>'
    '<li class="task"><input type="checkbox" disabled="" checked="" aria-label="Done"> done</li>'
    '<li class="task"><input type="checkbox" disabled="" aria-label="To do"> to do</li></ul>'
    '<ol start="3" dir="auto"><li><p>third</p></li>'
    '<li class="task"><p><input type="checkbox" disabled="" checked="" aria-label="Done"> fourth</p></li></ol>'
    '<blockquote dir="auto"><p>a quote</p><ul><li>with a list</li></ul></blockquote>'
    '<div class="wide" tabindex="0" dir="auto"><table><thead><tr><th class="left">left</th><th class="right">right</th>'
    '</tr></thead><tbody><tr><td class="left"><code>a</code></td><td class="right">b\nc</td></tr></tbody></table></div>'
    '<div class="code" dir="ltr"><header><span aria-hidden="true">python</span>'
    '<button type="button">Copy code</button></header><pre tabindex="0"><code><span class="hljs-keyword">def</span> '
    '<span class="hljs-title">add</span>(<span class="hljs-params">a, b</span>):\n    '
    '<span class="hljs-keyword">return</span> a + b  <span class="hljs-comment"># sum</span></code></pre></div>'
    '<div class="code" dir="ltr"><header><span aria-hidden="true"></span>'
    '<button type="button">Copy code</button></header><pre tabindex="0"><code>indented</code></pre></div>'
    '<hr dir="auto">'
    '<p class="definition" dir="auto">[label]: <a href="https://example.com/c" {out}>https://example.com/c</a></p>'
    '<p dir="auto">See <a href="https://example.com/c" {out}>label</a>, &amp; © &lt;b&gt; *not em* and '
    "&lt;i&gt;html&lt;/i&gt;.</p>"
    '<div class="html" dir="auto">&lt;details&gt;\n&lt;summary&gt;folded&lt;/summary&gt;\n&lt;/details&gt;</div>'
    '<div class="code" dir="ltr"><header><span aria-hidden="true"></span>'
    '<button type="button">Copy code</button></header><pre tabindex="0"><code>never closed</code></pre></div>'
).replace("{out}", 'rel="noopener noreferrer nofollow" target="_blank"')

KNOTS: Final = (
    "a\nb\n<c>\n|---|\n1\n2\n",
    "a\n2. b\n|---|\n1\n2\n",
    "* a\n\n* * *x\n\n* b",
    "1. a\n\n2. b\n\n33333",
    "- a\n\n\n  b\n\n c",
    'a\n\n[a]: http://x.y\n"b\n\nc"\n\n[a]',
    "a\n|b|c|\n|-|-|\n|d|e|\nf",
    "a\n|b|c|\n|-|-\nd",
    "```\na\n```x\n```\nb",
    "a\n***b***\n***\nc",
    "[a]: http://x.y\n[b]: http://x.z\n[a] [b] [c]\n\n[c]: http://x.w",
    "> a\nb\n\n> c\n- d\n> - e\nf",
)
"""In which the lines that follow say what those before them are."""

PIECES: Final = (
    "a", "b c", "\n", "\n", "\n\n", "- ", "* ", "+ ", "1. ", "2. ", "12.", "  ", "    ", "\t", "> ", "# ", "## ", "---",
    "***", "===", "--", "```", "```py\n", "~~~", "|", "|a|b|\n|-|-|\n", "| x | y |\n", "|---|", "[a]: http://x.y\n",
    "[a]", "[foo]:", '"t"\n', '\n"ti\ntle"\n', "[b](http://z.z)", "![p](data:image/png;base64,AAAA)", "`c`", "**bold**",
    "*e*", "_u_", "~~d~~", "<b>", "<div>\n", "</div>", "<!-- ", "-->", "<script>", "</script>", "<foo>\n", "<pre>",
    "<br>", "&amp;", "&#60;", "\\*", "http://u.v/w", "- [x] t\n", "[ ] ", "\r\n", "(", ")", "!", ":", "שבת",
)  # fmt: skip
"""Of which texts are made that Markdown's rules have most to say about."""


async def test_each_thing_that_markdown_has_is_shown(page: Page) -> None:
    await page.evaluate("text => window.shown = whole(text)", ALL)
    await page.evaluate("until(() => shown.querySelector('.hljs-comment'))")
    assert await page.evaluate("shown.innerHTML") == HTML


async def test_any_pieces_show_what_the_whole_text_does(page: Page) -> None:
    draw = random.Random(seed := TEST_SEED or random.randrange(2**32))
    texts = ["".join(draw.choice(PIECES) for _ in range(draw.randint(2, 16))) for _ in range(600)]
    differ = await page.evaluate(COMPARE, [ALL, *KNOTS, *texts])
    assert differ == [], f"MIDSTREAM_TEST_SEED={seed}"


COMPARE: Final = """async (texts) => {
  inPieces("```py\\n1", []);
  await import("/vendor/highlight.js");
  await frame();
  const differ = [];
  for (const text of texts) {
    const each = Array.from(text, (_, index) => index);
    const [one, other] = [whole(text), inPieces(text, each)];
    if (!one.isEqualNode(other)) differ.push([text, one.innerHTML, other.innerHTML]);
    one.remove();
    other.remove();
  }
  return differ.slice(0, 3);
}"""
"""The texts that become other nodes where they come a character at a time; all code is highlighted at once."""


async def test_finished_blocks_keep_their_nodes_and_are_not_read_again(page: Page) -> None:
    part = ALL.removesuffix("~~~\nnever closed\n")
    document = "\n".join(f"## Part {number}\n\n{part}" for number in range(400))
    assert len(document) > 200_000
    seen = await page.evaluate(FOLLOW, [document, 43])
    assert seen["changed"] == []
    assert seen["mutated"] == []
    assert seen["shifted"] == []
    # A block and the next one's beginning, not what came before: the longest here is a list.
    assert seen["parsed"] < 300
    assert seen["blocks"] > 1_500


FOLLOW: Final = """async ([text, step]) => {
  await import("/vendor/highlight.js");
  inPieces("```py\\n1", []);
  await frame();
  const markdown = begin();
  const finished = [];
  const mutated = new Set();
  const observer = new MutationObserver((records) => records.forEach(({ target }) => mutated.add(target)));
  let parsed = 0;
  const { children } = markdown.node;
  const shifts = [];
  new PerformanceObserver((list) => shifts.push(...list.getEntries())).observe({ type: "layout-shift" });
  for (let end = step; end < text.length + step; end += step) {
    markdown.update(text.slice(0, end), end >= text.length);
    parsed = Math.max(parsed, markdown.parsed);
    // All but the last, and one more, whose end the last may not show yet.
    while (finished.length < children.length - 2) {
      const block = children[finished.length];
      finished.push([block, block.outerHTML]);
      observer.observe(block, { subtree: true, childList: true, characterData: true, attributes: true });
    }
    if (end % 997 < step) await frame();
  }
  await frame();
  const shifted = shifts.flatMap(({ sources }) => sources.map(({ node }) => node))
    .filter((node) => finished.some(([block]) => block.contains(node)));
  const changed = finished.filter(([block, html], index) => children[index] !== block || block.outerHTML !== html);
  return {
    parsed,
    blocks: finished.length,
    changed: changed.map(([, html]) => html),
    mutated: Array.from(mutated, (node) => node.nodeName),
    shifted: shifted.map((node) => node.nodeName),
  };
}"""
"""What becomes of blocks that are finished, and how much is read at most for one update."""


async def test_a_selection_stays_while_its_block_grows(page: Page) -> None:
    for head, line in (("", "word "), ("```python\n", "value = 1  # word\n"), ("- ", "item **word**\n- ")):
        text = await page.evaluate(
            """async ([head, line]) => {
                const markdown = begin();
                let text = head + line.repeat(3) + "x";
                markdown.update(text, false);
                await frame();
                const nodes = document.createTreeWalker(markdown.node, NodeFilter.SHOW_TEXT);
                let node;
                do node = nodes.nextNode(); while (!node.data.includes("word"));
                const start = node.data.indexOf("word");
                const noticed = new Promise((resolve) =>
                    document.addEventListener("selectionchange", resolve, { once: true }));
                getSelection().setBaseAndExtent(node, start, node, start + 4);
                await noticed;
                for (let delta = 0; delta < 500; delta += 1) {
                    markdown.update(text += line, false);
                    if (delta % 100 === 0) await frame();
                }
                markdown.update(text + "\\n", true);
                await frame();
                const kept = [getSelection().toString(), node.isConnected];
                getSelection().removeAllRanges();
                await frame();
                return kept;
            }""",
            [head, line],
        )
        assert text == ["word", True], head


async def test_a_text_that_is_another_one_replaces_the_first(page: Page) -> None:
    shown = """() => {
        const markdown = begin();
        markdown.update("# One\\n\\n[a]: https://example.com\\n\\nold\\n\\nmore", false);
        markdown.update("new\\n\\n[a]", true);
        return markdown.node.innerHTML;
    }"""
    assert await page.evaluate(shown) == '<p dir="auto">new</p><p dir="auto">[a]</p>'


async def test_a_line_of_marks_waits_for_what_it_marks(page: Page) -> None:
    steps = await page.evaluate(
        """() => {
            const markdown = begin();
            return ["A title?", "A title?\\n-", "A title?\\n- one", "A title?\\n- one\\n--", "1"].map((text) => {
                markdown.update(text, false);
                return markdown.node.textContent;
            });
        }"""
    )
    assert steps == ["A title?", "A title?", "A title?one", "A title?one", ""]
    assert await page.evaluate("whole('42').textContent") == "42"
    assert await page.evaluate("whole('a\\n-').innerHTML") == '<h2 dir="auto">a</h2>'


@pytest.mark.parametrize("text", [">" * 5_000, "- " * 3_000, "[" * 20_000, "**a*b" * 2_000, "*" * 5_000])
async def test_what_is_nested_without_end_is_shown(page: Page, text: str) -> None:
    assert await page.evaluate("text => whole(text + 'end').textContent.includes('end')", text)


async def test_only_tables_and_code_scroll_sideways(page: Page) -> None:
    await page.set_viewport_size({"width": 360, "height": 640})
    long = "w" * 400
    await page.evaluate(
        "text => window.shown = whole(text)",
        f"# {long}\n\n{long} `{long}`\n\n- {long}\n\n> {long}\n\n```\n{long}\n```\n\n"
        + f"| {' | '.join(['head word'] * 12)} |\n|{'---|' * 12}\n| {' | '.join(['cell'] * 12)} |\n",
    )
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    scrolled = """Array.from(shown.querySelectorAll("*"))
        .filter(({ scrollWidth, clientWidth }) => clientWidth && scrollWidth > clientWidth)
        .map(({ className, localName }) => className || localName)"""
    assert await page.evaluate(scrolled) == ["pre", "wide"]
    assert await page.evaluate("Array.from(shown.querySelectorAll('pre, .wide'), node => node.tabIndex)") == [0, 0]


async def test_each_block_runs_in_its_own_direction_and_code_from_the_left(page: Page) -> None:
    await page.evaluate(
        "text => window.shown = whole(text)", "שבת\n\nhello\n\n- שבת\n\n| שבת |\n|---|\n\n```\nשבת\n```"
    )
    directions = "Array.from(shown.children, node => getComputedStyle(node).direction)"
    assert await page.evaluate(directions) == ["rtl", "ltr", "rtl", "rtl", "ltr"]


async def test_without_the_lexer_text_is_shown_as_it_is(browser: Browser, address: str) -> None:
    page = await tab(browser, address, "marked.js", "highlight.js")
    shown = await page.evaluate(
        """async () => {
            const { ready } = await import("/markdown.js");
            const markdown = begin();
            markdown.update("# a\\n  *b*", false);
            const node = markdown.node.firstChild.firstChild;
            markdown.update("# a\\n  *b* <i>", true);
            const { whiteSpace } = getComputedStyle(node.parentNode);
            return [await ready, markdown.node.innerHTML, markdown.node.firstChild.firstChild === node, whiteSpace];
        }"""
    )
    assert shown == [False, '<div class="plain" dir="auto"># a\n  *b* &lt;i&gt;</div>', True, "pre-wrap"]
