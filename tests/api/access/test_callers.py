"""Who calls: by a credential, or `local` where none is asked for, and what a caller may."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from fastapi import Request
from redis.exceptions import ConnectionError

from api.access.caller import Caller, Scope
from api.access.callers import Callers
from tests.api.harness import MakeApi


class One:
    """A credential that all requests have."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, request: Request) -> Caller | None:
        return self._caller

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        return [grant for grant in grants if grant == self._caller.grant]


@pytest.mark.parametrize("authorization", [None, "", "Bearer x", "Basic x"])
async def test_without_keys_all_are_one_owner(make_api: MakeApi, redis_url: str, authorization: str | None) -> None:
    api = await make_api(redis_url)
    headers = {} if authorization is None else {"Authorization": authorization}
    generation_id = await api.post(headers=headers)
    assert (await api.client.get(f"/v1/generations/{generation_id}")).status_code == 200


@pytest.mark.parametrize(
    ("scopes", "reads", "asks"),
    [({Scope.READ}, 200, 403), ({Scope.GENERATE}, 403, 202), (set(), 403, 403), (set(Scope), 200, 202)],
)
async def test_a_caller_may_what_its_scopes_say(
    make_api: MakeApi, redis_url: str, scopes: set[Scope], reads: int, asks: int
) -> None:
    api = await make_api(redis_url, api_keys="ann:secret-a")
    api.app.state.callers = Callers([One(Caller("ann", frozenset(scopes)))], open_to_all=False)
    read = await api.client.get("/v1/generations")
    asked = await api.client.post(
        "/v1/generations", json={"model": "simulator/lorem", "messages": [{"role": "user", "content": "Go."}]}
    )
    assert (read.status_code, asked.status_code) == (reads, asks)
    for answer in (read, asked):
        if answer.status_code == 403:
            assert answer.json()["code"] == "insufficient_scope"
            assert 'error="insufficient_scope", scope="' in answer.headers["www-authenticate"]


async def test_grants_that_have_ended_are_those_of_any_credential() -> None:
    callers = Callers([One(Caller("ann", grant="key:1")), One(Caller("bob", grant="key:2"))], open_to_all=False)
    assert await callers.ended(["key:1", "key:2", "key:3"]) == {"key:1", "key:2"}


async def test_a_credential_that_cannot_be_asked_hides_no_other() -> None:
    class Away(One):
        async def ended(self, grants: Collection[str]) -> Collection[str]:
            raise ConnectionError

    callers = Callers([Away(Caller("ann", grant="key:1")), One(Caller("bob", grant="key:2"))], open_to_all=False)
    assert await callers.ended(["key:1", "key:2"]) == {"key:2"}
