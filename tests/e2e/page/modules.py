"""The page's modules in Chromium without a server of ours: an empty page, its security policy, and what tries them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route

from tests.harness.browser import Browser
from tests.harness.repository import ROOT

WEB: Final = ROOT / "api" / "web"
VENDOR: Final = [WEB / "vendor" / name for name in ("marked.js", "highlight.js")]
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)
BLANK: Final = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Markdown</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"><link rel="stylesheet" href="/markdown.css">
<script type="module" src="/trial.js"></script></head><body><main></main></body></html>"""
TRIAL: Final = b"""
import { Markdown, ready } from "/markdown.js";
await ready;
window.begin = () => {
  const node = document.createElement("div");
  document.querySelector("main").append(node);
  return new Markdown(node);
};
window.whole = (text) => {
  const markdown = begin();
  markdown.update(text, true);
  return markdown.node;
};
window.inPieces = (text, ends) => {
  const markdown = begin();
  for (const end of ends) markdown.update(text.slice(0, end), false);
  markdown.update(text, true);
  return markdown.node;
};
window.frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
window.until = async (condition) => { while (!condition()) await frame(); };
document.body.dataset.ready = "yes";
"""


class Server(SimpleHTTPRequestHandler):
    """The page's folder, an empty page with its security policy, and a script for trials."""

    made: ClassVar = {"/": ("text/html", BLANK), "/trial.js": ("text/javascript", TRIAL)}

    def do_GET(self) -> None:
        if (made := self.made.get(self.path)) is None:
            return super().do_GET()
        kind, body = made
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the modules are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(WEB))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


async def tab(browser: Browser, address: str, *missing: str) -> Page:
    """An empty page in which the modules are loaded, without some files; what goes wrong fails the test."""
    page = await (await browser.user(permissions=["clipboard-read", "clipboard-write"])).new_page()
    page.on("dialog", lambda dialog: browser.faults.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: _stay(browser, address, request.url))
    for name in missing:
        browser.excuse(f"status of 404 .*/{re.escape(name)}")
        await page.route(f"**/{name}", _absent)
    await page.goto(address)
    await page.wait_for_selector("body[data-ready]")
    return page


def _stay(browser: Browser, address: str, url: str) -> None:
    if not url.startswith((address, "data:")):
        browser.faults.append(f"request: {url}")


async def _absent(route: Route) -> None:
    await route.fulfill(status=404)


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, address: str) -> Page:
    """An empty page with all that the modules need; skips where that is not built."""
    missing = [str(file.relative_to(ROOT)) for file in VENDOR if not file.is_file()]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not built (make page)")
    return await tab(browser, address)
