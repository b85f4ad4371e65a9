"""Who asks: a key names its owner, nobody sees what is another's, and a wrong key is told how to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from redis.exceptions import ConnectionError, RedisError

from api.access import bearer
from api.access.api_keys import ApiKeys
from api.access.bearer import Bearer
from api.access.caller import Caller, Scope
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
async def test_a_header_names_an_owner_or_nobody(authorization: str | None, owner: str | None) -> None:
    keys = Bearer([ApiKeys(Settings(api_keys="ann:secret-a,bob:secret-b"))])  # type: ignore[arg-type]
    assert await keys.holder(authorization) == (None if owner is None else Caller(owner))


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
async def test_both_headers_name_the_same_owner(authorization: str | None, x_api_key: str, owner: str | None) -> None:
    keys = Bearer([ApiKeys(Settings(api_keys="ann:secret-a,ann:other-a,bob:secret-b"))])  # type: ignore[arg-type]
    assert await keys.holder(authorization, x_api_key) == (None if owner is None else Caller(owner))


class Held:
    """A kind of tokens: each is its own name."""

    def __init__(self, **callers: Caller) -> None:
        self.callers = callers

    async def holder(self, token: str) -> Caller | None:
        return self.callers.get(token)

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        return [caller.grant for caller in self.callers.values() if caller.grant in grants]


READ = frozenset({Scope.READ})


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Caller("ann", READ, "key:1"), Caller("ann"), Caller("ann", READ, "key:1")),
        (Caller("ann"), Caller("ann", READ, "key:1"), Caller("ann", READ, "key:1")),
        (Caller("ann", grant="key:1"), Caller("bob", grant="key:1"), None),
        (Caller("ann", grant="key:1"), Caller("ann", grant="key:2"), None),
    ],
)
async def test_two_tokens_are_good_for_what_both_are_and_end_with_either(
    one: Caller, other: Caller, both: Caller | None
) -> None:
    credential = Bearer([Held(one=one), Held(other=other)])
    assert await credential.holder("Bearer one", "other") == both
    assert await credential.holder("Bearer one", "one") == one


async def test_a_grant_may_be_of_any_kind() -> None:
    credential = Bearer([Held(a=Caller("ann", grant="key:1")), Held(b=Caller("bob", grant="jwt:2"))])
    assert set(await credential.ended(["key:1", "jwt:2", "key:3"])) == {"key:1", "jwt:2"}


@pytest.mark.parametrize("silent", [False, True])
async def test_a_kind_that_cannot_be_asked_hides_no_other(monkeypatch: pytest.MonkeyPatch, silent: bool) -> None:
    class Away(Held):
        async def ended(self, grants: Collection[str]) -> Collection[str]:
            if silent:
                await asyncio.sleep(3600)
            raise ConnectionError

    monkeypatch.setattr(bearer, "ENDED_TIMEOUT_S", 0.05)
    credential = Bearer([Away(a=Caller("ann", grant="key:1")), Held(b=Caller("bob", grant="jwt:2"))])
    assert await credential.ended(["key:1", "jwt:2"]) == ["jwt:2"]
    with pytest.raises(RedisError):  # nobody has said that it is good
        await credential.ended(["key:1"])


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
