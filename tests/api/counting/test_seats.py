"""`max_viewers`: an owner's open streams at all nodes have a limit."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx2
import pytest

from api.counting import counter, seats
from shared.config.owner_settings import OwnerSettings
from shared.storage.keys import PENDING_KEY, owner_viewers_key
from tests.api.harness import BODY, DEADLINE, MODEL, Api, MakeApi

KEY = owner_viewers_key("local")
STREAMED: dict[str, dict[str, Any]] = {
    "/v1/generations": BODY | {"stream": True},
    "/v1/chat/completions": BODY | {"stream": True},
    "/v1/responses": {"model": MODEL, "input": "Go.", "stream": True},
    "/v1/messages": BODY | {"stream": True, "max_tokens": 9},
}
RATE = "rate_limit_error"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count counts for 3 s, and is noted each 0.2 s at most."""
    monkeypatch.setattr(seats, "LIFE_S", 3.0)
    monkeypatch.setattr(counter, "WRITE_S", 0.2)
    monkeypatch.setattr(counter, "TICK_S", 0.02)


async def refused(api: Api, generation_id: str) -> httpx2.Response:
    """The answer to one stream too many."""
    response = await api.client.get(f"/v1/generations/{generation_id}/events")
    assert (response.status_code, response.json()["code"]) == (429, "too_many_viewers")
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["content-type"] == "application/problem+json"
    return response


async def noted(api: Api, count: int) -> None:
    """Wait until Redis has so many streams of the owner."""
    values: Any = api.log.redis.hvals
    async with asyncio.timeout(DEADLINE):
        while sum([int(value.split()[0]) for value in await values(KEY)]) != count:
            await asyncio.sleep(0.01)


async def test_the_streams_of_all_nodes_count(make_api: MakeApi, redis_url: str) -> None:
    one, other = [await make_api(redis_url, max_viewers=3) for _ in range(2)]
    generation_id = await one.post()
    async with one.view(generation_id):
        async with one.view(generation_id):
            await noted(one, 2)
            async with other.view(generation_id):
                # Its own it knows at once, and those of the other as soon as they are noted.
                await refused(other, generation_id)
                await noted(one, 3)
                await refused(one, generation_id)
                assert await one.client.head(f"/v1/generations/{generation_id}/events")
        await noted(one, 1)
        async with other.view(generation_id):
            pass


async def test_of_those_who_come_at_once_only_so_many_are_let_in(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_viewers=3)
    generation_id = await api.post()
    async with contextlib.AsyncExitStack() as stack:

        async def status() -> int:
            path = f"/v1/generations/{generation_id}/events"
            return (await stack.enter_async_context(api.client.stream("GET", path))).status_code

        assert sorted(await asyncio.gather(*(status() for _ in range(10)))) == [200] * 3 + [429] * 7
    await noted(api, 0)


@pytest.mark.parametrize("path", STREAMED)
async def test_a_refused_post_is_not_accepted_and_its_dialect_says_why(
    make_api: MakeApi, redis_url: str, path: str
) -> None:
    api = await make_api(redis_url, max_viewers=1)
    generation_id = await api.post()
    async with api.view(generation_id):
        response = await api.client.post(path, json=STREAMED[path], headers={"Idempotency-Key": "k"})
        assert response.status_code == 429
        assert int(response.headers["Retry-After"]) > 0
        said = json.dumps(response.json())
        assert "too_many_viewers" in said or RATE in said
        assert "max_viewers" in said
        assert await api.log.redis.zcard(PENDING_KEY) == 1
        # Without its stream it is none.
        assert (await api.client.post("/v1/generations", json=BODY)).status_code == 202
    await noted(api, 0)
    async with api.client.stream("POST", path, json=STREAMED[path], headers={"Idempotency-Key": "k"}) as response:
        assert response.status_code == 200
        await noted(api, 1)
        await refused(api, generation_id)


async def test_a_post_that_fails_gives_its_place_back(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_viewers=1)
    for _ in range(3):
        response = await api.client.post("/v1/generations", json=BODY | {"stream": True, "previous": "gen_" + "a" * 32})
        assert response.status_code == 422
    generation_id = await api.post()
    for _ in range(3):
        async with api.view(generation_id):
            pass
        await noted(api, 0)


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/v1/responses/", "/v1/messages/"])
async def test_in_other_dialects_too(make_api: MakeApi, redis_url: str, path: str) -> None:
    api = await make_api(redis_url, max_viewers=1)
    body = STREAMED[path.rstrip("/")] | {"stream": True}
    async with api.client.stream("POST", path.rstrip("/"), json=body) as response:
        generation_id = response.headers["Midstream-Generation"]
        name = {"c": "chatcmpl-", "r": "resp_", "m": "msg_"}[path[4]] + generation_id.removeprefix("gen_")
        again = await api.client.get(path + name, params={"stream": "true"})
        assert (again.status_code, RATE in again.text or "too_many_viewers" in again.text) == (429, True)


async def test_a_node_that_died_takes_no_place_for_long(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_viewers=2)
    generation_id = await api.post()
    await api.hub.audience.seats._counter.counts.note("dead", {KEY: 2})
    await refused(api, generation_id)
    async with asyncio.timeout(DEADLINE):
        while await api.status(generation_id) == 429:
            await asyncio.sleep(0.05)


async def test_each_owner_has_its_own(make_api: MakeApi, redis_url: str) -> None:
    owners = {"ann": OwnerSettings(max_viewers=1), "bob": OwnerSettings()}
    api = await make_api(redis_url, owners=owners, api_keys="ann:ann-key-0123456789,bob:bob-key-0123456789")
    ann, bob = [{"Authorization": f"Bearer {name}-key-0123456789"} for name in ("ann", "bob")]
    hers, his = [await api.post(headers=who) for who in (ann, bob)]
    async with api.view(hers, **ann), api.view(his, **bob), api.view(his, **bob):
        path = f"/v1/generations/{hers}/events"
        assert (await api.client.get(path, headers=ann)).status_code == 429
        await asyncio.sleep(0.5)
        assert not await api.log.redis.exists(owner_viewers_key("bob"))


async def test_without_the_queues_redis_its_own_count(make_api: MakeApi, redis_url: str) -> None:
    """A stream is not refused because the others cannot be asked."""
    api = await make_api(redis_url, max_viewers=1)
    generation_id = await api.post()

    async def look(*_: object) -> None:
        raise TimeoutError

    api.hub.audience.seats._counter.counts.look = look  # type: ignore[method-assign,assignment]
    async with api.view(generation_id):
        await refused(api, generation_id)
