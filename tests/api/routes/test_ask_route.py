"""The route of a POST that asks: who asks comes first, then what is sent, past FastAPI's dependencies."""

from __future__ import annotations

import pytest

from api.routes.ask_route import AskRoute
from tests.api.harness import BODY, Api, MakeApi

PATHS = ["/v1/generations", "/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"]


def test_which_routes_are_served_so(api: Api) -> None:
    asking = [route for route in api.app.routes if isinstance(route, AskRoute)]
    assert {route.path for route in asking} == set(PATHS)
    assert all(route.methods == {"POST"} for route in asking)


@pytest.mark.parametrize("path", PATHS)
async def test_who_asks_comes_first(make_api: MakeApi, redis_url: str, path: str) -> None:
    api = await make_api(redis_url, api_keys="me:0123456789abcdef")
    assert (await api.client.post(path, content=b"x")).status_code == 401
    keyed = {"authorization": "Bearer 0123456789abcdef"}
    assert (await api.client.post(path, content=b"x", headers=keyed)).status_code == 415
    assert (await api.client.post(path, content=b"x", headers=keyed | {"content-type": "application/json"})).is_error
    assert (await api.client.put(path, json=BODY, headers=keyed)).status_code == 405
