"""Links: anybody may read what they lead to, until they are revoked or expire."""

from __future__ import annotations

import asyncio
import re

import pytest

from api.access.shares import PREFIX
from shared.storage.keys import share_key
from tests.api.access.signed_in import ANN, BOB, bearer, make_key, share, store, two_nodes
from tests.api.harness import Api, MakeApi, Producer, until


@pytest.fixture
async def nodes(make_api: MakeApi, redis_url: str) -> tuple[Api, Api]:
    return await two_nodes(make_api, redis_url)


@pytest.fixture
async def said(nodes: tuple[Api, Api]) -> Producer:
    """A generation of Ann's that has said something."""
    producer = await Producer.start(nodes[0].log, await nodes[0].post(headers=bearer(ANN)))
    await producer.say("Hi.")
    return producer


async def test_it_leads_there_from_every_node_without_a_key(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN))
    for api in nodes:
        for headers in ({}, bearer(BOB), bearer("wrong-0123456789ab")):
            answer = await api.client.get(link["path"], headers=headers)
            assert (answer.status_code, answer.json()["text"]) == (200, "Hi.")


async def test_redis_has_no_link(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN), ttl=60)
    secret = link["path"].removeprefix("/s/")
    assert re.fullmatch(r"[a-z2-7]{32}", secret)  # 160 bits
    redis = nodes[0].generations.queue.redis
    names = [name.decode() async for name in redis.scan_iter("midstream:share:*")]
    assert names == [share_key(link["id"])]
    assert secret.encode() not in await redis.get(names[0]) + names[0].encode()
    assert 0 < await redis.pttl(names[0]) <= 60_000


async def test_its_id_is_no_link(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN))
    for path in (link["id"], link["id"].removeprefix("shr_"), "x", "a" * 32, said.generation_id):
        assert (await nodes[0].client.get(f"/s/{path}")).status_code == 404
        assert (await nodes[0].client.get(f"/s/{path}/events")).status_code == 404


async def test_who_watches_at_any_node_is_cut_when_it_is_revoked(nodes: tuple[Api, Api], said: Producer) -> None:
    link, other = [await share(nodes[0], said.generation_id, bearer(ANN)) for _ in range(2)]
    async with (
        nodes[0].client.stream("GET", f"{link['path']}/events") as here,
        nodes[1].client.stream("GET", f"{link['path']}/events") as there,
        nodes[1].client.stream("GET", f"{other['path']}/events"),
        nodes[1].view(said.generation_id, **bearer(ANN)),
    ):
        assert [here.status_code, there.status_code] == [200, 200]
        assert [len(api.hub.viewers) for api in nodes] == [1, 3]
        address = f"/v1/generations/{said.generation_id}/share/{link['id']}"
        for _ in range(2):
            assert (await nodes[0].client.delete(address, headers=bearer(ANN))).status_code == 204
        assert [(await api.client.get(link["path"])).status_code for api in nodes] == [404, 404]
        await until(lambda: [len(api.hub.viewers) for api in nodes] == [0, 2], "the link's viewers to be cut")
    assert (await nodes[1].client.get(other["path"])).status_code == 200


async def test_only_its_owner_revokes_it(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN))
    another = await nodes[0].post(headers=bearer(ANN))
    for address, headers, status in (
        (f"/v1/generations/{said.generation_id}/share/{link['id']}", bearer(BOB), 404),
        (f"/v1/generations/{said.generation_id}/share/{link['id']}", {}, 401),
        (f"/v1/generations/{another}/share/{link['id']}", bearer(ANN), 404),
        (f"/v1/generations/{said.generation_id}/share/x", bearer(ANN), 404),
        (f"/v1/generations/{said.generation_id}/share/shr_{'a' * 32}", bearer(ANN), 204),
    ):
        assert (await nodes[1].client.delete(address, headers=headers)).status_code == status
    assert (await nodes[0].client.get(link["path"])).status_code == 200


async def test_it_expires(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN), ttl=1)
    async with nodes[1].client.stream("GET", f"{link['path']}/events") as watching:
        assert watching.status_code == 200
        await until(lambda: not nodes[1].hub.viewers, "it to expire")
    assert (await nodes[0].client.get(link["path"])).status_code == 404


async def test_it_outlives_the_key_it_was_made_with(nodes: tuple[Api, Api], said: Producer) -> None:
    key = await make_key(nodes[0])
    link = await share(nodes[0], said.generation_id, bearer(key.key))
    await store(nodes[0]).revoke(key.stored.id)
    assert (await nodes[1].client.get(link["path"])).status_code == 200


async def test_of_a_generation_that_was_deleted_it_says_so(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN))
    assert (
        await nodes[0].client.delete(f"/v1/generations/{said.generation_id}", headers=bearer(ANN))
    ).status_code == 204
    for path in (link["path"], f"{link['path']}/events"):
        answer = await nodes[1].client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    address = f"/v1/generations/{said.generation_id}/share"
    assert (await nodes[1].client.post(address, headers=bearer(ANN))).status_code == 410
    assert (await nodes[1].client.delete(f"{address}/{link['id']}", headers=bearer(ANN))).status_code == 204


async def test_grants_of_others_are_not_its_own(nodes: tuple[Api, Api], said: Producer) -> None:
    link = await share(nodes[0], said.generation_id, bearer(ANN))
    shares = nodes[0].app.state.browsers.shares
    assert list(await shares.ended(["key:x", "session:x"])) == []
    assert list(await shares.ended([PREFIX + link["id"], f"{PREFIX}x", "key:x"])) == [f"{PREFIX}x"]


async def test_a_server_without_keys_has_links_too(api: Api) -> None:
    producer = await Producer.start(api.log, await api.post())
    link = await share(api, producer.generation_id, {})
    answers = await asyncio.gather(api.client.get(link["path"]), api.client.get("/s/" + "a" * 32))
    assert [answer.status_code for answer in answers] == [200, 404]
