"""Who asks: a key names its owner, nobody sees what is another's, and a wrong key is told how to ask."""

from __future__ import annotations

import pytest

from api.access.api_keys import LOCAL_OWNER, ApiKeys
from shared.config.settings import Settings
from tests.api.harness import MakeApi, Producer


@pytest.mark.parametrize(
    ("authorization", "owner"),
    [
        ("Bearer secret-a", "ann"),
        ("bearer secret-a", "ann"),
        ("BEARER  secret-a ", "ann"),
        ("Bearer secret-b", "bob"),
        ("Bearer secret-c", None),
        ("Bearer secret-", None),
        ("Bearer secret-a secret-b", None),
        ("Bearer SECRET-A", None),
        ("Bearer ann", None),
        ("Bearer \udcff", None),
        ("Bearer ", None),
        ("Bearer", None),
        ("Basic secret-a", None),
        ("secret-a", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_names_an_owner_or_nobody(authorization: str | None, owner: str | None) -> None:
    keys = ApiKeys(Settings(api_keys="ann:secret-a,bob:secret-b"))  # type: ignore[arg-type]
    assert keys.required
    assert keys.owner(authorization) == owner


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "owner"),
    [
        (None, "secret-a", "ann"),
        ("", "secret-a", "ann"),
        (None, " secret-a ", "ann"),
        (None, "SECRET-A", None),
        (None, "Bearer secret-a", None),
        (None, "", None),
        ("Bearer secret-a", "", "ann"),
        ("Bearer secret-a", "secret-a", "ann"),
        ("Bearer other-a", "secret-a", "ann"),
        ("Bearer secret-a", "secret-b", None),
        ("Bearer secret-a", "wrong", None),
        ("Bearer wrong", "secret-a", None),
        ("Bearer wrong", "wrong", None),
        ("Bearer", "secret-a", None),
        ("Basic secret-a", "secret-a", None),
    ],
)
def test_both_headers_name_the_same_owner(authorization: str | None, x_api_key: str, owner: str | None) -> None:
    keys = ApiKeys(Settings(api_keys="ann:secret-a,ann:other-a,bob:secret-b"))  # type: ignore[arg-type]
    assert keys.owner(authorization, x_api_key) == owner


@pytest.mark.parametrize("authorization", [None, "", "Bearer x", "Basic x"])
def test_without_keys_all_are_one_owner(authorization: str | None) -> None:
    keys = ApiKeys(Settings())
    assert not keys.required
    assert keys.owner(authorization) == LOCAL_OWNER


@pytest.mark.parametrize(("authorization", "error"), [(None, False), ("Bearer wrong", True), ("Basic secret-a", True)])
async def test_the_challenge_says_whether_a_key_was_wrong(
    make_api: MakeApi, redis_url: str, authorization: str | None, error: bool
) -> None:
    api = await make_api(redis_url, api_keys="ann:secret-a")
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await api.client.get("/v1/models", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="midstream"' + ', error="invalid_token"' * error
    assert "secret" not in answer.text


async def test_x_api_key_counts_on_every_route(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="ann:secret-a,bob:secret-b")
    ann, bob = {"X-API-Key": "secret-a"}, {"x-api-key": "secret-b"}
    generation_id = await api.post(headers=ann)
    await (await Producer.start(api.log, generation_id)).complete()
    path = f"/v1/generations/{generation_id}"
    for method, address in (("GET", path), ("GET", f"{path}/events"), ("POST", f"{path}/cancel"), ("DELETE", path)):
        assert (await api.client.request(method, address, headers=bob)).status_code == 404
        both = await api.client.request(method, address, headers=ann | {"Authorization": "Bearer secret-b"})
        assert (both.status_code, both.json()["code"]) == (401, "unauthorized")
        assert 'error="invalid_token"' in both.headers["www-authenticate"]
        assert (await api.client.request(method, address, headers=ann)).status_code in (200, 204)
    for address in ("/v1/generations", "/v1/models", "/v1/usage"):
        assert (await api.client.get(address, headers=ann)).status_code == 200
        assert (await api.client.get(address, headers={"x-api-key": "wrong"})).status_code == 401


async def test_owners_see_their_own_only(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="ann:secret-a,bob:secret-b")
    ann, bob = ({"Authorization": f"Bearer secret-{name}"} for name in "ab")
    generation_id = await api.post(headers=ann)
    producer = await Producer.start(api.log, generation_id)
    await producer.complete()
    path = f"/v1/generations/{generation_id}"
    addresses = [("GET", path), ("GET", f"{path}/events"), ("POST", f"{path}/cancel"), ("DELETE", path)]
    for method, address in addresses:
        assert (await api.client.request(method, address, headers=bob)).status_code == 404
        for wrong in ({}, {"Authorization": "Bearer secret-c"}, {"Authorization": "Basic secret-a"}):
            response = await api.client.request(method, address, headers=wrong)
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
            assert response.headers["www-authenticate"].startswith("Bearer")
    assert (await api.client.get("/v1/generations", headers=bob)).json()["data"] == []
    for method, address in addresses:
        assert (await api.client.request(method, address, headers=ann)).status_code in (200, 204)
    # A tombstone has an owner, too.
    assert (await api.client.get(path, headers=ann)).status_code == 410
    assert (await api.client.get(path, headers=bob)).status_code == 404
    for headers, status in ((ann, 200), (bob, 422)):
        listed = await api.client.get("/v1/generations", params={"before": generation_id}, headers=headers)
        assert listed.status_code == status


async def test_same_idempotency_key_of_two_owners(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="ann:a,bob:b")
    ids = {
        await api.post(headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "same"}) for key in ("a", "b", "a")
    }
    assert len(ids) == 2
