"""The application, put together: its version, and that no address stands for another."""

from __future__ import annotations

import pytest

from tests.api.harness import Api, MakeApi


async def test_the_description_names_the_version(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app.version", lambda: "1.2.3")
    api = await make_api(redis_url)
    assert (await api.client.get("/openapi.json")).json()["info"]["version"] == "1.2.3"


@pytest.mark.parametrize("path", ["/v1/generations/", "/v1/models/", "/livez/", "/v1/generations/x/events/"])
async def test_no_address_is_another_one(api: Api, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await api.client.request(method, path, headers={"Host": "localhost"})
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
        assert "location" not in answer.headers
