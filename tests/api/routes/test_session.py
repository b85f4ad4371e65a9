"""Sessions over HTTP: how one begins, where it may not, and how it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.access.sessions import COOKIE, MAX_S
from shared.access.scopes import Scope
from tests.api.access.signed_in import ANN, API_KEYS, bearer, make_key, session
from tests.api.harness import Api, MakeApi

HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
async def keyed(make_api: MakeApi, redis_url: str) -> Api:
    return await make_api(redis_url, api_keys=API_KEYS, keys="redis")


def left_s(answer: Any) -> float:
    """Seconds until what an answer says expires."""
    return (datetime.fromisoformat(answer.json()["expires"]) - datetime.now(UTC)) / timedelta(seconds=1)


@pytest.mark.parametrize("headers", [bearer(ANN), {"x-api-key": ANN}])
async def test_it_begins_with_a_key(keyed: Api, headers: dict[str, str]) -> None:
    answer = await keyed.client.post("/v1/session", headers=headers)
    assert answer.status_code == 201
    assert answer.json().keys() == {"owner", "scopes", "expires"}
    assert (answer.json()["owner"], answer.json()["scopes"]) == ("ann", ["generate", "read"])
    assert MAX_S - 60 < left_s(answer) <= MAX_S
    pair, *attributes = answer.headers["set-cookie"].split("; ")
    name, _, value = pair.partition("=")
    assert name == COOKIE == "__Host-midstream"
    assert len(value) >= 43  # 256 bits
    ages = [int(one.partition("=")[2]) for one in attributes if one.startswith("Max-Age=")]
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} == {one for one in attributes if "Max-Age" not in one}
    assert MAX_S - 60 < ages[0] <= MAX_S
    assert value not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_it_says_what_its_key_may_and_how_long(keyed: Api) -> None:
    key = await make_key(keyed, scopes=frozenset({Scope.READ}), lasts_ms=90_000)
    answer = await keyed.client.post("/v1/session", headers=bearer(key.key))
    assert answer.json()["scopes"] == ["read"]
    assert 60 < left_s(answer) <= 90


async def test_without_a_key_there_is_none(keyed: Api) -> None:
    cookie = await session(keyed)
    for headers in ({}, bearer("wrong-0123456789ab"), cookie, cookie | bearer("wrong-0123456789ab")):
        answer = await keyed.client.post("/v1/session", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "set-cookie" not in answer.headers


async def test_where_no_key_is_asked_for_it_needs_none(api: Api) -> None:
    answer = await api.client.post("/v1/session")
    assert (answer.status_code, answer.json()["code"]) == (400, "no_keys")
    assert (await api.client.get("/v1/generations", headers={"Cookie": f"{COOKIE}=x"})).status_code == 200


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1:8000", {}, 201),
        ("localhost:8000", {}, 201),
        ("[::1]:8000", {}, 201),
        ("chat.localhost", {}, 201),
        ("10.0.0.5:8000", {}, 400),
        ("chat.example.com", {}, 400),
        ("localhost.example.com", {}, 400),
        ("chat.example.com", HTTPS, 201),
        ("chat.example.com", {"X-Forwarded-Proto": "http"}, 400),
        ("chat.example.com", {"X-Forwarded-Proto": "https, http"}, 400),
        ("chat.example.com", {"Forwarded": "proto=https"}, 400),
    ],
)
async def test_over_plain_http_there_is_none_beyond_loopback(
    keyed: Api, host: str, headers: dict[str, str], status: int
) -> None:
    answer = await keyed.client.post("/v1/session", headers=bearer(ANN) | {"Host": host} | headers)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["code"] == "insecure_session"
        assert "HTTPS" in answer.json()["title"]
        assert "set-cookie" not in answer.headers


async def test_what_a_proxy_says_counts_where_it_is_trusted(make_api: MakeApi, redis_url: str) -> None:
    asks = bearer(ANN) | HTTPS | {"Host": "chat.example.com"}
    statuses = []
    for proxies in ("10.0.0.1", "", "127.0.0.0/8", "*"):
        api = await make_api(redis_url, api_keys=API_KEYS, trusted_proxies=proxies)
        statuses.append((await api.client.post("/v1/session", headers=asks)).status_code)
    assert statuses == [400, 400, 201, 201]


async def test_delete_ends_it_and_takes_the_cookie_away(keyed: Api) -> None:
    cookie = await session(keyed)
    assert (await keyed.client.get("/v1/generations", headers=cookie)).status_code == 200
    for headers in (cookie, cookie, {}, {"Cookie": f"{COOKIE}=x"}):
        answer = await keyed.client.delete("/v1/session", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["set-cookie"].startswith(f"{COOKIE}=; ")
        assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await keyed.client.get("/v1/generations", headers=cookie)).status_code == 401


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
async def test_a_page_of_another_site_may_do_nothing_with_it(keyed: Api, site: str) -> None:
    cookie = await session(keyed)
    generation_id = await keyed.post(headers=cookie)
    foreign = cookie | {"Sec-Fetch-Site": site, "Origin": "https://evil.example.com"}
    for method, path in (
        ("POST", "/v1/generations"),
        ("POST", f"/v1/generations/{generation_id}/share"),
        ("POST", f"/v1/generations/{generation_id}/cancel"),
        ("DELETE", f"/v1/generations/{generation_id}"),
        ("DELETE", "/v1/session"),
        ("POST", "/v1/session"),
    ):
        answer = await keyed.client.request(method, path, headers=foreign)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    read = await keyed.client.get(f"/v1/generations/{generation_id}", headers=foreign)
    assert read.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in read.headers
