"""Where npm's registry refuses, Midstream starts all the same, and its page does without what is not built."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.conftest import Start
from tests.harness.browser import Browser
from tests.harness.page_build import refusing, run
from tests.harness.repository import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

COPIED = ("api", "clients", "midstream", "shared", "simulator", "worker")
LEFT = shutil.ignore_patterns("__pycache__", "node_modules", "vendor")


async def test_a_registry_that_refuses_leaves_text_as_it_is(browser: Browser, start: Start, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    for name in COPIED:
        shutil.copytree(ROOT / name, clone / name, ignore=LEFT)
    for name in ("hatch_build.py", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    # It is what `make run` does before it starts anything.
    tried = run(clone, "hatch_build.py", "--try", **refusing())
    assert (tried.returncode, tried.stderr.splitlines()[-1].endswith("make page")) == (0, True)
    assert not (clone / "api" / "web" / "vendor").exists()
    up = await start(PYTHONPATH=f"{clone}:{clone / 'clients' / 'python'}")
    async with httpx2.AsyncClient(base_url=up.url, trust_env=False) as http:
        assert (await http.get("/assets/vendor/marked.js")).status_code == 404
    browser.excuse("/assets/vendor/")
    chat = await Chat.opened(browser, up.url)
    await expect(chat.page.get_by_text("make page")).to_be_visible()
    await chat.ask("a *b*\n\n```python\nc = 1\n```", model="echo?rate=0")
    await chat.ended()
    await expect(chat.status).to_contain_text("done")
    assert "a *b*\n\n```python\nc = 1\n```" in await chat.answers.last.inner_text()
