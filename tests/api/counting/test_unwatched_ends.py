"""`on_unwatched`: a generation is cancelled when nobody has watched it for so long, on whatever node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from api.counting import counter, unwatched_ends
from midstream.processes.valkey import Valkey
from shared.generations import unwatched
from shared.storage.keys import UNWATCHED_KEY, GenerationKeys
from tests.api.harness import BODY, DEADLINE, MODEL, Api, Hasty, MakeApi, Producer

AFTER = 1.0
LONG_ENOUGH = 3.5
"""Seconds in which one that nobody watches would be cancelled, also where its node had died."""
SOON: dict[str, Any] = {"lease": 0.2, "times": Hasty(0.2, sync_s=0.05)}
"""A server that began a second ago is not young for it."""
STREAMED: dict[str, dict[str, Any]] = {
    "/v1/generations": BODY,
    "/v1/chat/completions": BODY,
    "/v1/responses": {"model": MODEL, "input": "Go."},
    "/v1/messages": BODY | {"max_tokens": 9},
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count counts for 1.2 s, and is noted each 0.2 s at most."""
    monkeypatch.setattr(unwatched, "LIFE_S", 1.2)
    monkeypatch.setattr(unwatched, "LATE_MS", 400)
    monkeypatch.setattr(counter, "WRITE_S", 0.2)
    monkeypatch.setattr(counter, "TICK_S", 0.02)
    monkeypatch.setattr(unwatched_ends, "LOOK_INTERVAL_S", 0.1)


async def ask(api: Api, after: float = AFTER, **headers: str) -> str:
    return await api.post(BODY | {"on_unwatched": {"after": after}}, headers)


async def state(api: Api, generation_id: str) -> str:
    return str((await api.client.get(f"/v1/generations/{generation_id}")).json()["state"])


async def cancelled(api: Api, generation_id: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while await state(api, generation_id) != "cancelled":
            await asyncio.sleep(0.05)


async def lives(api: Api, generation_id: str, seconds: float = LONG_ENOUGH) -> None:
    """It is not cancelled for so long."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        assert await state(api, generation_id) in ("queued", "running")
        await asyncio.sleep(0.05)


async def test_what_waits_and_what_runs_is_cancelled_when_nobody_comes(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, **SOON)
    waits, runs, other = await ask(api), await ask(api), await api.post()
    await Producer.start(api.log, runs)
    await cancelled(api, waits)
    async with asyncio.timeout(DEADLINE):
        while (found := (await api.generations.find(runs)).record) is None or not found.cancel_requested:
            await asyncio.sleep(0.05)
    assert await state(api, other) == "queued"


@pytest.mark.parametrize("node", [0, 1])
async def test_one_that_is_watched_lives_and_when_it_is_left_it_ends(
    make_api: MakeApi, redis_url: str, node: int
) -> None:
    apis = [await make_api(redis_url, **SOON) for _ in range(2)]
    generation_id = await ask(apis[0])
    async with apis[node].view(generation_id):
        await lives(apis[0], generation_id)
    await cancelled(apis[1], generation_id)


async def test_who_comes_back_in_time_keeps_it(make_api: MakeApi, redis_url: str) -> None:
    apis = [await make_api(redis_url, **SOON) for _ in range(2)]
    generation_id = await ask(apis[0])
    for round in range(6):
        async with apis[round % 2].view(generation_id):
            await lives(apis[0], generation_id, AFTER / 2)
        await lives(apis[0], generation_id, AFTER / 3)
    await cancelled(apis[0], generation_id)


@pytest.mark.parametrize("path", STREAMED)
@pytest.mark.parametrize("stream", [True, False])
async def test_who_asks_watches_while_it_has_its_answer(
    make_api: MakeApi, redis_url: str, path: str, stream: bool
) -> None:
    api = await make_api(redis_url, **SOON)
    body = STREAMED[path] | {"stream": stream, "on_unwatched": {"after": AFTER}}
    before = await latest(api)

    async def posted() -> None:
        async with api.client.stream("POST", path, json=body, timeout=None) as response:
            async for _ in response.aiter_raw():
                pass

    asking = asyncio.create_task(posted())
    async with asyncio.timeout(DEADLINE):
        while (generation_id := await latest(api)) == before or generation_id is None:
            await asyncio.sleep(0.02)
    await lives(api, generation_id)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await cancelled(api, generation_id)


async def latest(api: Api) -> str | None:
    listed = (await api.client.get("/v1/generations", params={"limit": 1})).json()["data"]
    return str(listed[0]["id"]) if listed else None


async def test_who_waits_with_prefer_watches(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, **SOON)
    body = BODY | {"on_unwatched": {"after": AFTER}}
    response = await api.client.post("/v1/generations", json=body, headers={"Prefer": f"wait={round(3 * AFTER)}"})
    assert response.status_code == 202
    await cancelled(api, response.json()["id"])


async def test_a_viewer_that_was_let_in_late_counts(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was away as it came: what the generation wants is known once it is let in."""
    api = await make_api(redis_url, **SOON)
    generation_id = await ask(api)
    services = api.app.state.services
    find = services.generations.find

    async def away(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(services.generations, "find", away)
    async with api.view(generation_id):
        monkeypatch.setattr(services.generations, "find", find)
        await lives(api, generation_id)


async def test_a_repeated_post_does_not_count_and_what_was_refused_leaves_nothing(
    make_api: MakeApi, redis_url: str
) -> None:
    api = await make_api(redis_url, max_pending=1, **SOON)
    generation_id = await ask(api, 60.0, **{"Idempotency-Key": "k"})
    assert await ask(api, 60.0, **{"Idempotency-Key": "k"}) == generation_id
    assert (await api.client.post("/v1/generations", json=BODY | {"on_unwatched": {"after": 5}})).status_code == 429
    assert await api.log.redis.zrange(UNWATCHED_KEY, 0, -1) == [generation_id.encode()]


async def test_a_node_that_sends_its_viewers_elsewhere_gives_them_time(make_api: MakeApi, redis_url: str) -> None:
    other = await make_api(redis_url, **SOON)
    async with Api(other.settings, SOON["times"]) as leaving:
        generation_id = await ask(other)
        async with leaving.view(generation_id):
            await lives(other, generation_id, AFTER)
            leaving.server.should_exit = True
            await leaving._serving
    # Not counted any more, and yet not due before a node that died would have been.
    assert not await other.log.redis.exists(GenerationKeys(generation_id).viewers)
    seconds, _ = await other.log.redis.time()
    due = await other.log.redis.zscore(UNWATCHED_KEY, generation_id)
    assert due is not None
    assert due / 1000 - seconds > AFTER
    async with other.view(generation_id):
        await lives(other, generation_id, 2 * AFTER)


@pytest.mark.parametrize("how", ["restart", "stop"])
async def test_what_is_watched_outlives_a_redis_that_was_away(make_api: MakeApi, own_valkey: Valkey, how: str) -> None:
    """For longer than a count counts and than it may be unwatched: its viewers were there all the time."""
    apis = [await make_api(own_valkey.url, **SOON) for _ in range(2)]
    generation_id = await ask(apis[0])
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(apis[0].view(generation_id))
        await lives(apis[1], generation_id, AFTER)
        await _away(own_valkey, how, 2 * AFTER)
        await _until_back(lambda: state(apis[1], generation_id))
        await lives(apis[1], generation_id)
    await cancelled(apis[1], generation_id)


async def _away(server: Valkey, how: str, seconds: float) -> None:
    if how == "restart":
        await server.kill()
        await asyncio.sleep(seconds)
        await server.start()
    else:
        os.kill(server.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(server.pid, signal.SIGCONT)


async def _until_back(ask: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await ask()
                return
            except KeyError:
                await asyncio.sleep(0.05)
