"""The page's files: each of its kind, packed where the client takes that, and sent again only where it has changed."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx2
import pytest

from api.routes import assets
from api.routes.assets import KINDS
from hatch_build import FILES
from tests.api.harness import Api
from tests.harness.repository import ROOT

WEB = ROOT / "api" / "web"
SERVED = sorted(str(path.relative_to(WEB)) for path in WEB.rglob("*") if path.suffix in KINDS)
CLIENT = ROOT / "clients" / "javascript" / "src" / "midstream-client.js"
PLAIN = {"Accept-Encoding": "identity"}


async def get(api: Api, name: str, **headers: str) -> httpx2.Response:
    """A file as it comes, not unpacked."""
    async with api.client.stream("GET", f"/assets/{name}", headers=headers) as response:
        response._content = b"".join([chunk async for chunk in response.aiter_raw()])
        return response


@pytest.mark.parametrize("name", SERVED)
async def test_each_file_of_the_folder_is_served(api: Api, name: str) -> None:
    got = await api.client.get(f"/assets/{name}")
    assert (got.status_code, got.content) == (200, (WEB / name).read_bytes())
    assert got.headers["content-type"].partition(";")[0] == KINDS[Path(name).suffix]
    assert got.headers["cache-control"] == "no-cache"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in got.headers["content-security-policy"]


async def test_the_client_is_served_from_where_it_is_written(api: Api) -> None:
    got = await api.client.get("/assets/midstream-client.js")
    assert (got.status_code, got.content) == (200, CLIENT.read_bytes())
    assert got.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "none.js",
        "vendor",
        "vendor/",
        "vendor/none.js",
        "vendor/built",
        "package.json",
        "package-lock.json",
        "requirements-node.lock",
        ".npmrc",
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "/etc/passwd",
    ],
)
async def test_nothing_else_is_served(api: Api, name: str) -> None:
    got = await api.client.get(f"/assets/{name}")
    assert (got.status_code, got.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("name", assets.LATE)
async def test_what_is_built_while_the_server_runs_is_served_then(
    api: Api, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ASSETS", {})
    monkeypatch.setattr(assets, "WEB", tmp_path)
    assert (await api.client.get(f"/assets/{name}")).status_code == 404
    (tmp_path / "vendor").mkdir()
    for file in (name, "vendor/none.js", "main.js"):
        (tmp_path / file).write_text("built")
    got = await api.client.get(f"/assets/{name}")
    assert (got.status_code, got.text, got.headers["cache-control"]) == (200, "built", "no-cache")
    assert got.headers["content-type"] == "text/javascript; charset=utf-8"
    for other in ("vendor/none.js", "main.js"):
        assert (await api.client.get(f"/assets/{other}")).status_code == 404


def test_what_may_be_built_later_is_what_the_build_makes() -> None:
    assert {*assets.LATE} == {f"vendor/{name}" for name in FILES if name.endswith(".js")}


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("identity", False),
        ("", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
    ],
)
async def test_it_is_packed_for_who_takes_that(api: Api, accepts: str, packed: bool) -> None:
    plain = CLIENT.read_bytes()
    got = await get(api, CLIENT.name, **{"Accept-Encoding": accepts})
    assert got.headers.get("content-encoding") == ("gzip" if packed else None)
    assert got.headers["vary"] == "Accept-Encoding"
    assert got.headers["content-length"] == str(len(got.content))
    assert (gzip.decompress(got.content) if packed else got.content) == plain
    assert (len(got.content) < len(plain) / 2) == packed


async def test_each_form_has_a_tag_of_its_own(api: Api) -> None:
    plain, packed = await get(api, CLIENT.name, **PLAIN), await get(api, CLIENT.name, **{"Accept-Encoding": "gzip"})
    assert plain.headers["etag"] != packed.headers["etag"]
    other = await get(api, CLIENT.name, **PLAIN, **{"If-None-Match": packed.headers["etag"]})
    assert (other.status_code, other.content) == (200, plain.content)


@pytest.mark.parametrize("named", ["{}", "W/{}", '"x", {}', '"x",W/{}', "*"])
async def test_what_a_client_has_is_not_sent_again(api: Api, named: str) -> None:
    had = await get(api, CLIENT.name, **PLAIN)
    tag = had.headers["etag"]
    again = await get(api, CLIENT.name, **PLAIN, **{"If-None-Match": named.format(tag)})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for name in ("cache-control", "content-security-policy", "vary"):
        assert again.headers[name] == had.headers[name]


@pytest.mark.parametrize("named", ['"x"', "x", "", "{}x"])
async def test_what_it_has_not_is_sent(api: Api, named: str) -> None:
    had = await get(api, CLIENT.name, **PLAIN)
    again = await get(api, CLIENT.name, **PLAIN, **{"If-None-Match": named.format(had.headers["etag"])})
    assert (again.status_code, again.content) == (200, had.content)


async def test_head_says_how_long_it_is(api: Api) -> None:
    head = await api.client.head(f"/assets/{CLIENT.name}", headers=PLAIN)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(CLIENT.stat().st_size)
