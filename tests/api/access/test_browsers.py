"""In which order callers say who they are, and with what their sessions and tokens end."""

from __future__ import annotations

import pytest
from fastapi import Request

from api.access.browsers import Browsers
from api.access.caller import Caller
from tests.api.access.signed_in import ANN, API_KEYS, BOB, bearer, make_key, session, share, token, two_nodes
from tests.api.harness import Api, MakeApi, Producer


@pytest.fixture
async def nodes(make_api: MakeApi, redis_url: str) -> tuple[Api, Api]:
    return await two_nodes(make_api, redis_url)


async def test_a_key_counts_before_a_token_and_a_token_before_a_cookie(nodes: tuple[Api, Api]) -> None:
    api, _ = nodes
    producer = await Producer.start(api.log, await api.post(headers=bearer(ANN)))
    await producer.complete()
    events = f"/v1/generations/{producer.generation_id}/events"
    made, cookie, of_bob = (
        await token(api, producer.generation_id, bearer(ANN)),
        await session(api),
        await session(api, BOB),
    )
    for query, headers, status in (
        (made, {}, 200),
        (made, bearer(ANN), 200),
        (made, bearer(BOB), 404),
        (made, bearer("wrong-0123456789ab"), 401),
        (made, of_bob, 200),
        ("wrong", cookie, 401),
        ("wrong", bearer(ANN), 200),
        (None, cookie, 200),
        (None, of_bob, 404),
    ):
        params = {} if query is None else {"token": query}
        assert (await api.client.get(events, params=params, headers=headers)).status_code == status, (query, headers)


async def test_a_link_counts_whoever_follows_it(nodes: tuple[Api, Api]) -> None:
    producer = await Producer.start(nodes[0].log, await nodes[0].post(headers=bearer(ANN)))
    link = await share(nodes[0], producer.generation_id, bearer(ANN))
    for headers in (bearer(BOB), bearer("wrong-0123456789ab"), await session(nodes[0], BOB)):
        assert (await nodes[0].client.get(link["path"], headers=headers)).status_code == 200


async def test_what_outlives_a_request_has_a_grant_that_can_end(nodes: tuple[Api, Api]) -> None:
    browsers: Browsers = nodes[0].app.state.browsers
    headers = [(b"authorization", f"Bearer {ANN}".encode())]
    request = Request({"type": "http", "headers": headers})
    assert await browsers.grant(request, Caller("ann", grant="key:x")) == "key:x"
    assert (await browsers.grant(request, Caller("ann"))).startswith("settings:")


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        ({}, [False, True, True]),
        ({"keys": "redis"}, [True, True, True]),
        ({"api_keys": f"ann:{ANN}"}, [False, True, False]),
        ({"api_keys": f"bob:{BOB}"}, [False, False, True]),
    ],
)
async def test_a_token_ends_with_the_kind_of_what_it_rests_on(
    nodes: tuple[Api, Api], make_api: MakeApi, redis_url: str, settings: dict[str, str], there: list[bool]
) -> None:
    key = await make_key(nodes[0])
    producer = await Producer.start(nodes[0].log, await nodes[0].post(headers=bearer(ANN)))
    await producer.complete()
    rests_on = [bearer(key.key), bearer(ANN), await session(nodes[0], BOB)]
    made = [await token(nodes[0], producer.generation_id, headers) for headers in rests_on[:2]]
    api = await make_api(redis_url, **({"api_keys": API_KEYS} | settings))
    events = f"/v1/generations/{producer.generation_id}/events"
    answers = [(await api.client.get(events, params={"token": one})).status_code for one in made]
    answers.append((await api.client.get("/v1/generations", headers=rests_on[2])).status_code)
    assert [status == 200 for status in answers] == there
