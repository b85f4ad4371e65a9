"""The browser of these tests: what a page does wrong in it is seen, and where it is missing a test is skipped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.pages import serving
from tests.harness.browser import Browser, until
from tests.harness.repository import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

POLICY: Final = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src 'self'\">"
TRY: Final = f"tests/e2e/{Path(__file__).name}::test_a_page_that_does_nothing_wrong_has_no_faults"


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("<script>null.x</script>", "exception: "),
        ("<script>Promise.reject(new Error('late'))</script>", "exception: late"),
        ("<script>console.error('wrong')</script>", "console: wrong"),
        ("<script src=none.js></script>", "404"),
        (f"{POLICY}<p style='color: red'>", "Content Security Policy: style-src-attr"),
        (f"{POLICY}<img src=http://127.0.0.1:9/x.png>", "Content Security Policy: img-src http://127.0.0.1:9"),
    ],
)
async def test_what_a_page_does_wrong_is_seen(browser: Browser, tmp_path: Path, page: str, fault: str) -> None:
    (tmp_path / "page.html").write_text(page)
    with serving(tmp_path) as origin:
        tab = await browser.page(f"{origin}/page.html")
        # It is told of in order, so that what was said before is there.
        await tab.evaluate("console.error('last')")
        while not any("last" in each for each in browser.faults):
            await tab.wait_for_timeout(20)
    assert any(fault in each for each in browser.faults), browser.faults
    with pytest.raises(AssertionError):
        browser.check()
    browser.faults.clear()


async def test_a_page_that_does_nothing_wrong_has_no_faults(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><script>window.done = true</script>")
    with serving(tmp_path) as origin:
        assert await until(await browser.page(f"{origin}/page.html"), "window.done")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PATH", "/nonexistent", "Chromium is not installed"),
        ("PLAYWRIGHT_NODEJS_PATH", "/nonexistent", "Playwright's driver does not start"),
    ],
)
async def test_without_it_a_test_is_skipped_and_says_why(variable: str, value: str, reason: str) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TRY]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), variable: value}
    done = await asyncio.to_thread(
        subprocess.run, words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout
    assert reason in done.stdout
