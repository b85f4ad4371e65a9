"""Tokens for a conversation over HTTP: who gets one, for how long, and what it is good for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from shared.access.scopes import Scope
from tests.api.access.signed_in import (
    ANN,
    API_KEYS,
    BOB,
    bearer,
    conversation_token,
    make_key,
    session,
    store,
    token,
)
from tests.api.harness import BODY, Api, MakeApi, Viewing, until
from tests.api.routes.test_session import left_s
from tests.api.viewing.conversation.following import ADDRESS, CHAT

TOKEN = ADDRESS.replace("/events", "/token")


@pytest.fixture
async def keyed(make_api: MakeApi, redis_url: str) -> Api:
    api = await make_api(redis_url, api_keys=API_KEYS, keys="redis")
    await api.post(BODY | {"conversation": CHAT}, bearer(ANN))
    return api


@pytest.mark.parametrize(("body", "seconds"), [(None, 43_200), ({"ttl": None}, 43_200), ({"ttl": 5}, 5)])
async def test_it_lasts_for_half_a_day_unless_it_is_told_how_long(keyed: Api, body: Any, seconds: float) -> None:
    answer = await keyed.client.post(TOKEN, headers=bearer(ANN), json=body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"token", "expires"}
    assert seconds - 60 < left_s(answer) <= seconds + 1
    assert answer.headers["cache-control"] == "no-store"


async def test_a_key_that_may_read_gets_one(keyed: Api) -> None:
    reading = await make_key(keyed, scopes=frozenset({Scope.READ}))
    asking = await make_key(keyed, scopes=frozenset({Scope.GENERATE}))
    for headers, status in (
        (bearer(reading.key), 201),
        (await session(keyed, reading.key), 201),
        (bearer(asking.key), 403),
        (bearer(BOB), 404),
        ({}, 401),
    ):
        assert (await keyed.client.post(TOKEN, headers=headers)).status_code == status


@pytest.mark.parametrize("body", [{"ttl": 0}, {"ttl": 604_801}, {"seconds": 5}, [1]])
async def test_what_is_no_time_is_told(keyed: Api, body: Any) -> None:
    assert (await keyed.client.post(TOKEN, headers=bearer(ANN), json=body)).status_code in (400, 422)


async def test_it_follows_its_conversation_and_nothing_else(keyed: Api) -> None:
    made = await conversation_token(keyed, CHAT, bearer(ANN))
    async with keyed.client.stream("GET", f"{ADDRESS}?token={made}") as response:
        assert response.status_code == 200
        assert (await Viewing(response).next()).event == "generation"
    generation_id = await keyed.post(BODY | {"conversation": "other"}, bearer(ANN))
    of_a_generation = await token(keyed, generation_id, bearer(ANN))
    named_like_it = await keyed.post(BODY | {"conversation": generation_id}, bearer(ANN))
    of_its_namesake = await conversation_token(keyed, generation_id, bearer(ANN))
    assert named_like_it != generation_id
    for path, given in (
        ("/v1/conversations/other/events", made),
        (ADDRESS.removesuffix("/events"), made),
        ("/v1/conversations", made),
        (f"/v1/generations/{generation_id}/events", made),
        (ADDRESS, of_a_generation),
        # A token of one kind is none of the other, whatever its name.
        (f"/v1/conversations/{generation_id}/events", of_a_generation),
        (f"/v1/generations/{generation_id}/events", of_its_namesake),
    ):
        answer = await keyed.client.get(path, params={"token": given})
        assert (answer.status_code, path) == (401, path)
    assert (await keyed.client.post(TOKEN, params={"token": made})).status_code == 401
    assert (await keyed.client.delete(ADDRESS.removesuffix("/events"), params={"token": made})).status_code == 401


async def test_it_ends_with_the_key_with_which_it_was_asked_for(keyed: Api) -> None:
    key = await make_key(keyed)
    made = await conversation_token(keyed, CHAT, bearer(key.key))
    assert (await keyed.client.head(ADDRESS, params={"token": made})).status_code == 200
    await store(keyed).revoke(key.stored.id)
    assert (await keyed.client.head(ADDRESS, params={"token": made})).status_code == 401


async def test_what_is_open_by_it_is_cut_at_its_time(keyed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await conversation_token(keyed, CHAT, bearer(ANN), ttl=60)
    now = time.time()
    async with keyed.client.stream("GET", f"{ADDRESS}?token={made}") as response:
        assert (await Viewing(response).next()).event == "generation"
        callers, [grant] = keyed.app.state.callers, keyed.hub.granted.grants
        for seconds, ended in ((55, set()), (65, {grant})):
            monkeypatch.setattr("api.access.event_tokens.time.time", lambda later=now + seconds: later)
            assert await callers.ended([grant]) == ended
        await until(lambda: not keyed.hub.viewers, "the viewer to be cut")


async def test_what_is_open_by_it_is_cut_with_the_key_with_which_it_was_asked_for(keyed: Api) -> None:
    key = await make_key(keyed)
    made = await conversation_token(keyed, CHAT, bearer(key.key))
    async with keyed.client.stream("GET", f"{ADDRESS}?token={made}") as response:
        assert (await Viewing(response).next()).event == "generation"
        await store(keyed).revoke(key.stored.id)
        await until(lambda: not keyed.hub.viewers, "the viewer to be cut")
