"""The chat page at its addresses: what its policy forbids is not in it, and all that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.api.harness import Api

ADDRESSES = ("/", "/c/chat-1", "/c/a%20chat%2F1%3F", "/c/", "/g/gen_x")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_page(api: Api, address: str) -> None:
    page = await api.client.get(address)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.content == (await api.client.get("/")).content
    # A browser that kept it would speak to a newer server with an older page.
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    directives = dict(directive.split(" ", 1) for directive in page.headers["content-security-policy"].split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data: blob:",
        "base-uri": "'none'",
        "object-src": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    head = await api.client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == page.headers["content-length"]


@pytest.mark.parametrize("address", ["/c", "/g", "/g/", "/g/a/b", "/x"])
async def test_elsewhere_it_is_not(api: Api, address: str) -> None:
    assert (await api.client.get(address)).status_code == 404


async def test_what_the_policy_forbids_is_not_in_it(api: Api) -> None:
    page = (await api.client.get("/")).text
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|https?://", page)
    assert "data-demo" not in page


async def test_all_that_it_names_is_there(api: Api) -> None:
    page = await api.client.get("/")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {name.rpartition(".")[2] for name in named} >= {"js", "css", "svg"}
    for address in named:
        asset = await api.client.get(address)
        assert asset.status_code == 200, address
        assert asset.headers["content-security-policy"] == page.headers["content-security-policy"]


async def test_a_page_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    page = await api.client.get("/")
    again = await api.client.get("/c/other", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
