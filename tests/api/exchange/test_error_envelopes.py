"""Problems on a dialect's paths, wherever they come from, are in its envelope; others stay what they are."""

from __future__ import annotations

import pytest

from tests.api.exchange.dialect_posts import SPOKEN, Spoken
from tests.api.harness import MakeApi


@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)
async def test_each_kind_of_error_of_a_path(make_api: MakeApi, redis_url: str, spoken: Spoken) -> None:
    api = await make_api(redis_url, api_keys="ann:key-of-ann-0123456789")
    key = {"Authorization": "Bearer key-of-ann-0123456789"}
    for status, response in {
        401: await api.client.post(spoken.path, json=spoken.body),
        404: await api.client.get(spoken.named("gen_" + "b" * 32), headers=key),
        405: await api.client.patch(spoken.path, headers=key),
        403: await api.client.post(spoken.path, json=spoken.body, headers={"Sec-Fetch-Site": "cross-site"}),
        415: await api.client.post(spoken.path, content="x", headers=key),
    }.items():
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        assert int(response.headers["content-length"]) == len(response.content)
        assert response.json()["error"]["message"]
        assert "errors" not in response.json()
    versioned = await api.client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})
    assert versioned.json()["error"]["type"] == "authentication_error"
    native = await api.client.get("/v1/generations/gen_x", headers=key)
    assert native.headers["content-type"] == "application/problem+json"
