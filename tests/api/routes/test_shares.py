"""Links over HTTP: what is told of a new one, and where it leads."""

from __future__ import annotations

from typing import Any

import pytest

from shared.access.scopes import Scope
from tests.api.access.signed_in import ANN, API_KEYS, bearer, make_key
from tests.api.harness import MakeApi
from tests.api.routes.test_session import left_s


@pytest.mark.parametrize(
    ("settings", "headers", "root"),
    [
        ({}, {}, "http://127.0.0.1:PORT"),
        ({}, {"Host": "chat.example.com", "X-Forwarded-Proto": "https"}, "https://chat.example.com"),
        ({"public_url": "https://chat.example.com/"}, {}, "https://chat.example.com"),
        ({"public_url": "https://example.com/chat"}, {"Host": "other.example"}, "https://example.com/chat"),
    ],
)
async def test_the_link_begins_with_the_address_that_browsers_know(
    make_api: MakeApi, redis_url: str, settings: dict[str, Any], headers: dict[str, str], root: str
) -> None:
    api = await make_api(redis_url, api_keys=API_KEYS, **settings)
    generation_id = await api.post(headers=bearer(ANN))
    answer = await api.client.post(f"/v1/generations/{generation_id}/share", headers=bearer(ANN) | headers)
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "url", "expires"}
    url = answer.json()["url"]
    assert url.rpartition("/s/")[0] == root.replace("PORT", str(api.port))
    assert 7 * 86_400 - 60 < left_s(answer) <= 7 * 86_400
    assert (await api.client.get("/s/" + url.rpartition("/")[2])).status_code == 200


async def test_who_may_not_read_gives_no_one_to_read(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys=API_KEYS, keys="redis")
    generation_id = await api.post(headers=bearer(ANN))
    statuses = []
    for scopes in ({Scope.GENERATE}, {Scope.READ}, {Scope.GENERATE, Scope.READ}):
        key = await make_key(api, scopes=frozenset(scopes))
        answer = await api.client.post(f"/v1/generations/{generation_id}/share", headers=bearer(key.key))
        statuses.append(answer.status_code)
    assert statuses == [403, 403, 201]


async def test_it_lasts_as_long_as_it_is_told(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys=API_KEYS)
    generation_id = await api.post(headers=bearer(ANN))
    address = f"/v1/generations/{generation_id}/share"
    for ttl, status in ((60, 201), (2_592_000, 201), (2_592_001, 422)):
        answer = await api.client.post(address, headers=bearer(ANN), json={"ttl": ttl})
        assert answer.status_code == status
        if status == 201:
            assert ttl - 60 < left_s(answer) <= ttl
