"""What axe-core, which knows the rules of WCAG, says of the page in its main states."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.page.chat import LONG, Chat
from tests.e2e.page.conftest import Open
from tests.harness.node_packages import node_with

pytestmark = [
    pytest.mark.browser,
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),  # the first one installs
]

MARKDOWN: Final = """# Title

Some **words** and `code`, a [link](https://example.org).

```python
print("x")  # y
```

|a|b|
|-|-|
|1|2|
"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script."""
    node = node_with(Path(__file__).parent)
    return (node.folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


async def findings(chat: Chat, axe: str) -> list[Any]:
    """What it finds that is serious."""
    await chat.page.evaluate(f"{axe}; undefined")
    found = await chat.page.evaluate(
        """axe.run().then(({ violations }) => violations
          .filter(({ impact }) => ["serious", "critical"].includes(impact))
          .map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary: why }) => [html.slice(0, 200), why])]))"""
    )
    return list(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
async def test_no_serious_finding(open_page: Open, axe: str, scheme: str, width: int) -> None:
    chat = await open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    assert await findings(chat, axe) == []
    await chat.ask(MARKDOWN, model="echo?rate=0")
    await chat.ended()
    assert await findings(chat, axe) == []
    await chat.answers.last.get_by_role("button", name="Share", exact=True).click()
    await chat.page.get_by_role("dialog").get_by_role("textbox", name="Link").focus()
    assert await findings(chat, axe) == []
    await chat.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    await chat.yous.last.get_by_role("button", name="Edit").click()
    assert await findings(chat, axe) == []
    await chat.ask("Think.", model="simulator-anthropic/reasoning?deltas=12&rate=0")
    await chat.ended()
    await chat.answers.last.locator("summary").first.click()
    assert await findings(chat, axe) == []
    await chat.ask("Fail.", model="lorem?deltas=9&rate=0&fault=500")
    await chat.ended()
    assert await findings(chat, axe) == []


async def test_no_serious_finding_while_an_answer_runs_and_one_is_superseded(open_page: Open, axe: str) -> None:
    chat = await open_page()
    await chat.ask(model=LONG)
    await chat.says()
    assert await findings(chat, axe) == []
    await chat.button("Kill the worker").click()
    await chat.answers.last.get_by_role("group", name="Superseded").wait_for()
    await chat.page.wait_for_timeout(500)
    assert await findings(chat, axe) == []
    await chat.button("Stop").click()
