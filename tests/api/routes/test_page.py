"""The chat page: what its policy forbids is not in it, and all that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.api.harness import Api


async def test_page(api: Api) -> None:
    page = await api.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    # What the policy forbids is not there: inline code and styles, and anything from elsewhere.
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|https?://", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        asset = await api.client.get(address)
        assert asset.status_code == 200
        assert "https://" not in asset.text
        assert asset.headers["content-security-policy"] == policy
    script = (await api.client.get("/app.js")).text
    for name in re.findall(r'byId\("([\w-]+)"\)', script):
        assert f'id="{name}"' in page.text


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
async def test_each_file_is_of_its_kind_and_asked_for_anew(api: Api, path: str, media_type: str) -> None:
    got = await api.client.get(path)
    assert (got.status_code, got.headers["content-type"]) == (200, media_type)
    # A browser that kept it would speak to a newer server with an older page.
    assert got.headers["cache-control"] == "no-cache"
    assert got.headers["x-content-type-options"] == "nosniff"
    head = await api.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
