"""Tokens over HTTP: who gets one, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from shared.access.scopes import Scope
from tests.api.access.signed_in import ANN, API_KEYS, BOB, bearer, make_key, session
from tests.api.harness import BODY, Api, MakeApi
from tests.api.routes.test_session import left_s


@pytest.fixture
async def keyed(make_api: MakeApi, redis_url: str) -> Api:
    return await make_api(redis_url, api_keys=API_KEYS, keys="redis")


@pytest.mark.parametrize(
    ("asked", "body", "seconds"),
    [
        ({}, None, 1_800 + 3_600),
        ({"deadline": 60}, {}, 60 + 3_600),
        ({"deadline": 86_400}, {"ttl": None}, 90_000),
        ({}, {"ttl": 5}, 5),
    ],
)
async def test_it_lasts_beyond_the_deadline_unless_it_is_told_how_long(
    keyed: Api, asked: dict[str, Any], body: Any, seconds: float
) -> None:
    generation_id = await keyed.post(BODY | asked, bearer(ANN))
    answer = await keyed.client.post(f"/v1/generations/{generation_id}/token", headers=bearer(ANN), json=body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"token", "expires"}
    assert seconds - 60 < left_s(answer) <= seconds + 1
    assert answer.headers["cache-control"] == "no-store"


async def test_a_key_that_may_read_gets_one(keyed: Api) -> None:
    reading = await make_key(keyed, scopes=frozenset({Scope.READ}))
    asking = await make_key(keyed, scopes=frozenset({Scope.GENERATE}))
    generation_id = await keyed.post(headers=bearer(ANN))
    address = f"/v1/generations/{generation_id}/token"
    for headers, status in (
        (bearer(reading.key), 201),
        (await session(keyed, reading.key), 201),
        (bearer(asking.key), 403),
        (bearer(BOB), 404),
        ({}, 401),
    ):
        assert (await keyed.client.post(address, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"ttl": 0}', {}, 422),
        (b'{"ttl": 604801}', {}, 422),
        (b'{"seconds": 5}', {}, 422),
        (b"{", {}, 400),
        (b'{"ttl": 5}', {"Content-Type": "text/plain"}, 415),
    ],
)
async def test_what_is_wrong_is_said(keyed: Api, content: bytes, headers: dict[str, str], status: int) -> None:
    generation_id = await keyed.post(headers=bearer(ANN))
    for what in ("token", "share"):
        if what == "share" and b"604801" in content:
            continue
        answer = await keyed.client.post(
            f"/v1/generations/{generation_id}/{what}",
            headers=bearer(ANN) | {"Content-Type": "application/json"} | headers,
            content=content,
        )
        assert answer.status_code == status


async def test_there_is_none_of_what_is_gone(keyed: Api) -> None:
    generation_id = await keyed.post(headers=bearer(ANN))
    await keyed.client.delete(f"/v1/generations/{generation_id}", headers=bearer(ANN))
    answer = await keyed.client.post(f"/v1/generations/{generation_id}/token", headers=bearer(ANN))
    assert answer.status_code == 410
