"""Rule 11 and what is said of speed: finished blocks stay, and only the last one is read anew."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from playwright.async_api import Route

from tests.e2e.page.chat import Chat
from tests.e2e.page.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BLOCKS: Final = "\n\n".join(
    f"Paragraph {n} has **some** words, and they are finished once the next one begins." for n in range(60)
)
WRAPPER: Final = """
import * as marked from "./marked.as-it-is.js";
export * from "./marked.as-it-is.js";
globalThis.lexed = [];
class Lexer extends marked.Lexer {
  lex(source) { globalThis.lexed.push(source); return super.lex(source); }
  blockTokens(source, ...more) {
    if (!this.within) globalThis.lexed.push(source);
    this.within = true;
    try { return super.blockTokens(source, ...more); } finally { this.within = false; }
  }
}
export { Lexer };
"""
"""Stands in the place of marked, and keeps what the page gives it to read."""
OBSERVE: Final = """
window.shifts = [];
window.tasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    for (const { node, previousRect: before, currentRect: after } of entry.sources) {
      const element = node instanceof Element ? node : node?.parentElement;
      if (entry.startTime < (element?.closest("[role=log] p")?.finishedAt ?? Infinity)) continue;
      window.shifts.push([node.textContent.slice(0, 60), before.toJSON(), after.toJSON()]);
    }
  }
}).observe({ type: "layout-shift", buffered: true });
// A paragraph is finished from the frame on that follows the one in which the next began.
new MutationObserver(() => requestAnimationFrame(() => {
  const all = document.querySelectorAll("[role=log] p");
  for (let at = all.length - 2; at >= 0 && !all[at].finishedAt; at--) all[at].finishedAt = performance.now();
})).observe(document.querySelector("[role=log]"), { childList: true, subtree: true });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.tasks.push(entry.duration);
}).observe({ type: "longtask", buffered: true });
"""


async def wrap_lexer(chat: Chat) -> None:
    """Load the page again, with a lexer that says what it reads."""

    async def serve(route: Route) -> None:
        if "as-it-is" in route.request.url:
            await route.fulfill(response=await route.fetch(url=route.request.url.replace(".as-it-is", "")))
        else:
            await route.fulfill(body=WRAPPER, content_type="text/javascript")

    await chat.page.route("**/assets/vendor/marked*.js", serve)
    await chat.page.reload()
    await chat.page.wait_for_function("() => window.lexed")


def more_than_the_last_block(text: str, read: list[str]) -> list[tuple[str, str]]:
    """What was read anew that had been finished: each text that was read, and what of it was."""
    wrong, end = [], 0
    for source in read:
        if not source.strip():
            continue
        start = text.index(source.lstrip("\n")[:40]) if len(source) > 40 else max(0, end - len(source))
        again = text[start:end]
        # One block that was the last then, and what had come of the one after it.
        if len(re.findall(r"\n\n(?=\S)", again.strip("\n"))) > 1:
            wrong.append((source[:40], again))
        end = max(end, start + len(source))
    return wrong


async def test_finished_blocks_keep_their_nodes_and_text_to_the_end(open_page: Open) -> None:
    chat = await open_page()
    await chat.ask(BLOCKS, model="echo?chunk=7&rate=200")
    await chat.says(40)
    await chat.page.evaluate("window.kept = new Map()")
    keep = """(article) => { for (const node of [...article.querySelectorAll("p")].slice(0, -1))
      if (!window.kept.has(node)) window.kept.set(node, node.textContent); }"""
    while await chat.log.get_attribute("aria-busy") == "true":
        await chat.answers.last.evaluate(keep)
        await chat.page.wait_for_timeout(50)
    assert await chat.page.evaluate("window.kept.size") > 50
    changed = await chat.page.evaluate(
        "[...window.kept].filter(([node, text]) => !node.isConnected || node.textContent !== text).map((one) => one[1])"
    )
    assert changed == []
    assert re.findall(r"Paragraph (\d+)", await chat.text()) == [str(n) for n in range(60)]


async def test_a_selection_survives_500_deltas(open_page: Open) -> None:
    chat = await open_page()
    words = " ".join(f"word{n}" for n in range(600))
    await chat.ask(f"Select these words.\n\n{words}\n\n{words}", model="echo?chunk=10&rate=200")
    await chat.says(30)
    select = """(article) => {
      const node = document.createTreeWalker(article.querySelector("p"), NodeFilter.SHOW_TEXT).nextNode();
      getSelection().setBaseAndExtent(node, 7, node, 18);
    }"""
    await chat.answers.last.evaluate(select)
    length = len(await chat.text())
    while len(await chat.text()) < length + 5000:
        assert await chat.page.evaluate("getSelection().toString()") == "these words"
        await chat.page.wait_for_timeout(100)
    await chat.ended()
    assert await chat.page.evaluate("getSelection().toString()") == "these words"


async def test_200_kb_at_200_deltas_a_second(open_page: Open, record_property: Any) -> None:
    line = "has some *words* and `code` in it, and a [link](https://example.org), and goes on for a while longer."
    text = "\n\n".join(f"Paragraph {n} {line} {line}" for n in range(900))
    assert len(text) > 180_000
    chat = await open_page()
    await wrap_lexer(chat)
    await chat.page.evaluate(OBSERVE)
    await chat.ask(text, model=f"echo?chunk={len(text) // 1500}&rate=200")
    await chat.ended()
    read = await chat.page.evaluate("window.lexed")
    assert len(read) > 5, "however few a busy machine comes to"
    assert more_than_the_last_block(text, read) == []
    finished = await chat.page.evaluate(
        "[...document.querySelectorAll('[role=log] p')].filter((p) => p.finishedAt).length"
    )
    assert finished > 800
    assert await chat.page.evaluate("window.shifts") == []
    longest = await chat.page.evaluate("Math.max(0, ...window.tasks)")
    record_property("longest_script_task_ms", longest)
    print(f"the longest script task: {longest} ms")
    assert len(re.findall("Paragraph ", await chat.text())) == 900


CORPUS: Final = """<img src=x onerror=window.hacked=1>

<script>window.hacked=2</script> [a](javascript:window.hacked=3) [b](data:text/html,<script>window.hacked=4</script>)

<svg onload=window.hacked=5></svg> ![c](javascript:window.hacked=6) <a href="java&#115;cript:window.hacked=7">d</a>

| <iframe srcdoc="<script>window.hacked=8</script>"> |
|---|
| <b onmouseover=window.hacked=9>e</b> |

```<img src=x onerror=window.hacked=10>
</code></pre><script>window.hacked=11</script>
```

[f]: javascript:window.hacked=12 "onclick=window.hacked=13"
[f] <vbscript:x> &lt;script&gt;window.hacked=14&lt;/script&gt;"""


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 1000])
async def test_nothing_that_is_said_runs(open_page: Open, chunk: int) -> None:
    chat = await open_page()
    await chat.ask(CORPUS, model=f"echo?rate=1000&chunk={chunk}")
    await chat.ended()
    for link in await chat.answers.last.get_by_role("link").all():
        assert re.match("https?:|mailto:", await link.get_attribute("href") or "")
    tags = await chat.answers.last.evaluate(
        "(node) => [...new Set([...node.querySelectorAll('*')].map((n) => n.localName))]"
    )
    assert not {"script", "iframe", "svg", "object", "embed", "style"} & set(tags)
    handlers = "(node) => [...node.querySelectorAll('*')].flatMap((n) => [...n.attributes]).map((a) => a.name)"
    assert not [name for name in await chat.answers.last.evaluate(handlers) if name.startswith("on") or name == "style"]
    assert await chat.page.evaluate("window.hacked") is None
