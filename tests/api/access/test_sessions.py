"""Sessions: a cookie in the place of a key, which ends by itself, by DELETE, and with its key."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from api.access.sessions import COOKIE, MAX_S, PREFIX, Sessions
from shared.access.scopes import Scope
from shared.storage.keys import session_key
from tests.api.access.signed_in import ANN, API_KEYS, BOB, bearer, make_key, session, store, token, two_nodes
from tests.api.harness import BODY, Api, MakeApi, Producer, until


@pytest.fixture
async def nodes(make_api: MakeApi, redis_url: str) -> tuple[Api, Api]:
    return await two_nodes(make_api, redis_url)


async def status(api: Api, headers: dict[str, str]) -> int:
    return (await api.client.get("/v1/generations", headers=headers)).status_code


async def test_it_is_its_owner_at_every_node(nodes: tuple[Api, Api]) -> None:
    one, other = nodes
    cookie = await session(one)
    generation_id = await other.post(headers=cookie)
    assert (await one.client.get(f"/v1/generations/{generation_id}", headers=bearer(ANN))).status_code == 200
    assert (await one.client.get(f"/v1/generations/{generation_id}", headers=bearer(BOB))).status_code == 404
    assert (
        await one.client.get(f"/v1/generations/{generation_id}", headers=await session(one, BOB))
    ).status_code == 404


async def test_redis_has_no_cookie(nodes: tuple[Api, Api]) -> None:
    cookie = await session(nodes[0])
    value = cookie["Cookie"].partition("=")[2]
    redis = nodes[0].generations.queue.redis
    names = [name async for name in redis.scan_iter("midstream:session:*")]
    assert [name.decode() for name in names] == [session_key(hashlib.sha256(value.encode()).hexdigest())]
    stored = await redis.get(names[0])
    assert value.encode() not in stored
    assert ANN.encode() not in stored
    assert MAX_S * 1000 - 60_000 < await redis.pttl(names[0]) <= MAX_S * 1000


async def test_a_key_beside_it_counts(nodes: tuple[Api, Api]) -> None:
    cookie = await session(nodes[0])
    asked = await nodes[0].client.post("/v1/generations", json=BODY, headers=cookie | bearer(BOB))
    generation_id = asked.json()["id"]
    assert (await nodes[0].client.get(f"/v1/generations/{generation_id}", headers=bearer(BOB))).status_code == 200
    assert await status(nodes[0], cookie | bearer("wrong-0123456789ab")) == 401
    assert await status(nodes[0], cookie | {"x-api-key": "wrong-0123456789ab"}) == 401


@pytest.mark.parametrize("value", ["", "x", "é", "a" * 5_000, '"', "../x"])
async def test_what_is_no_session_lets_nobody_in(nodes: tuple[Api, Api], value: str) -> None:
    cookie = [(b"Cookie", f"{COOKIE}={value}".encode("latin-1"))]
    answer = await nodes[0].client.get("/v1/generations", headers=cookie)
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"] or not value


async def test_it_ends_with_its_key_in_redis(nodes: tuple[Api, Api]) -> None:
    one, other = nodes
    key = await make_key(one)
    cookie = await session(one, key.key)
    assert await status(other, cookie) == 200
    await store(one).revoke(key.stored.id)
    assert [await status(api, cookie) for api in nodes] == [401, 401]


async def test_it_ends_with_its_key_in_the_settings(nodes: tuple[Api, Api], make_api: MakeApi, redis_url: str) -> None:
    cookie = await session(nodes[0])
    rotated = await make_api(redis_url, api_keys=f"ann:another-0123456789,bob:{BOB}")
    assert [await status(api, cookie) for api in (nodes[1], rotated)] == [200, 401]


async def test_it_ends_with_the_kind_of_its_key(nodes: tuple[Api, Api], make_api: MakeApi, redis_url: str) -> None:
    key = await make_key(nodes[0])
    cookie = await session(nodes[0], key.key)
    assert await status(await make_api(redis_url, api_keys=API_KEYS), cookie) == 401


async def test_it_is_not_longer_than_its_key(nodes: tuple[Api, Api]) -> None:
    key = await make_key(nodes[0], lasts_ms=60_000)
    cookie = await session(nodes[0], key.key)
    digest = hashlib.sha256(cookie["Cookie"].partition("=")[2].encode()).hexdigest()
    assert 0 < await nodes[0].generations.queue.redis.pttl(session_key(digest)) <= 60_000


async def test_it_may_what_its_key_may(nodes: tuple[Api, Api]) -> None:
    key = await make_key(nodes[0], scopes=frozenset({Scope.READ}))
    cookie = await session(nodes[0], key.key)
    assert await status(nodes[1], cookie) == 200
    assert (await nodes[1].client.post("/v1/generations", json=BODY, headers=cookie)).status_code == 403


@pytest.mark.parametrize("how", ["DELETE", "its key"])
async def test_open_viewers_at_all_nodes_are_cut(nodes: tuple[Api, Api], how: str) -> None:
    one, other = nodes
    key = await make_key(one)
    cookie = await session(one, key.key)
    producer = await Producer.start(one.log, await one.post(headers=bearer(key.key)))
    watching = await token(one, producer.generation_id, cookie)
    async with (
        one.view(producer.generation_id, **cookie) as here,
        other.view(producer.generation_id, **cookie) as there,
        other.client.stream("GET", f"/v1/generations/{producer.generation_id}/events?token={watching}") as by_token,
        other.view(producer.generation_id, **bearer(ANN)) as by_key,
    ):
        assert by_token.status_code == 200
        await asyncio.gather(here.next(), there.next(), by_key.next())
        assert [len(api.hub.viewers) for api in nodes] == [1, 3]
        if how == "DELETE":
            assert (await one.client.delete("/v1/session", headers=cookie)).status_code == 204
        else:
            await store(one).revoke(key.stored.id)
        await until(lambda: [len(api.hub.viewers) for api in nodes] == [0, 1], "the session's viewers to be cut")
        await producer.say("Still there.")
        assert (await by_key.next()).event == "part"


async def test_grants_of_others_are_not_its_own(nodes: tuple[Api, Api]) -> None:
    async def ended(grants: object) -> set[str]:
        return set()

    sessions = Sessions(nodes[0].generations.queue.redis, ended, open_to_all=False)
    assert list(await sessions.ended(["key:x", "share:x"])) == []
    assert list(await sessions.ended(["key:x", f"{PREFIX}nobody"])) == [f"{PREFIX}nobody"]
