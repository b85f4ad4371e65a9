"""Tokens in an address: for the events of one generation, to read, and for nothing else."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from api.access.event_tokens import MAC_BYTES
from tests.api.access.signed_in import ANN, BOB, bearer, make_key, share, store, token, two_nodes
from tests.api.harness import Api, MakeApi, Producer


@pytest.fixture
async def nodes(make_api: MakeApi, redis_url: str) -> tuple[Api, Api]:
    return await two_nodes(make_api, redis_url)


async def ended(api: Api) -> Producer:
    """A generation of Ann's that has ended."""
    producer = await Producer.start(api.log, await api.post(headers=bearer(ANN)))
    await producer.say("Hi.")
    await producer.complete()
    return producer


async def status(api: Api, generation_id: str, made: str, method: str = "GET") -> int:
    answer = await api.client.request(method, f"/v1/generations/{generation_id}/events?token={made}")
    return answer.status_code


async def test_it_follows_its_generation_at_every_node_again_and_again(nodes: tuple[Api, Api]) -> None:
    producer = await ended(nodes[0])
    made = await token(nodes[0], producer.generation_id, bearer(ANN))
    for api in (*nodes, *nodes):
        assert await status(api, producer.generation_id, made) == 200
        assert await status(api, producer.generation_id, made, "HEAD") == 200
    resumed = await nodes[1].client.get(
        f"/v1/generations/{producer.generation_id}/events?token={made}&last_event_id={producer.claim.token}-0"
    )
    assert resumed.text.count("\nid: ") == len(producer.written)
    at_the_end = {"Last-Event-ID": str(producer.last)}
    address = f"/v1/generations/{producer.generation_id}/events?token={made}"
    assert (await nodes[1].client.get(address, headers=at_the_end)).status_code == 204


async def test_it_is_good_for_no_other(nodes: tuple[Api, Api]) -> None:
    producer, other = await ended(nodes[0]), await ended(nodes[0])
    made = await token(nodes[0], producer.generation_id, bearer(ANN))
    assert await status(nodes[0], other.generation_id, made) == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/generations"),
        ("GET", "/v1/generations/ID"),
        ("DELETE", "/v1/generations/ID"),
        ("POST", "/v1/generations/ID/cancel"),
        ("POST", "/v1/generations/ID/token"),
        ("POST", "/v1/generations/ID/share"),
        ("POST", "/v1/session"),
        ("GET", "/v1/usage"),
        ("GET", "/v1/responses/ID"),
    ],
)
async def test_it_is_good_for_nothing_else(nodes: tuple[Api, Api], method: str, path: str) -> None:
    producer = await ended(nodes[0])
    made = await token(nodes[0], producer.generation_id, bearer(ANN))
    path = path.replace("ID", producer.generation_id)
    assert (await nodes[0].client.request(method, f"{path}?token={made}")).status_code == 401
    as_a_key = await nodes[0].client.request(method, path, headers=bearer(made))
    assert as_a_key.status_code == 401


@pytest.mark.parametrize("change", ["", "x", "ä", "=", "====", "A" * 40, "mac", "text", "cut"])
async def test_what_was_changed_is_none(nodes: tuple[Api, Api], change: str) -> None:
    producer = await ended(nodes[0])
    made = await token(nodes[0], producer.generation_id, bearer(ANN))
    raw = bytearray(urlsafe_b64decode(made + "=" * (-len(made) % 4)))
    if change == "mac":
        raw[-1] ^= 1
    elif change == "text":
        raw[-MAC_BYTES - 3] ^= 1  # of its end
    elif change == "cut":
        del raw[0]
    wrong = change if change not in ("mac", "text", "cut") else urlsafe_b64encode(raw).decode()
    assert await status(nodes[0], producer.generation_id, wrong) == 401


async def test_it_ends_at_its_time(nodes: tuple[Api, Api], monkeypatch: pytest.MonkeyPatch) -> None:
    producer = await ended(nodes[0])
    made = await token(nodes[0], producer.generation_id, bearer(ANN), ttl=60)
    now = time.time()
    for seconds, expected in ((55, 200), (65, 401)):
        monkeypatch.setattr("api.access.event_tokens.time.time", lambda later=now + seconds: later)
        assert await status(nodes[0], producer.generation_id, made) == expected


async def test_it_ends_with_the_key_it_was_asked_for_with(
    nodes: tuple[Api, Api], make_api: MakeApi, redis_url: str
) -> None:
    producer = await ended(nodes[0])
    key = await make_key(nodes[0])
    by_stored = await token(nodes[0], producer.generation_id, bearer(key.key))
    by_settings = await token(nodes[0], producer.generation_id, bearer(ANN))
    rotated = await make_api(redis_url, api_keys=f"ann:another-0123456789,bob:{BOB}", keys="redis")
    assert await status(rotated, producer.generation_id, by_stored) == 200
    assert await status(rotated, producer.generation_id, by_settings) == 401
    await store(nodes[0]).revoke(key.stored.id)
    assert [await status(api, producer.generation_id, by_stored) for api in (*nodes, rotated)] == [401] * 3
    assert await status(nodes[1], producer.generation_id, by_settings) == 200


async def test_it_says_no_key(nodes: tuple[Api, Api]) -> None:
    producer = await ended(nodes[0])
    made = await token(nodes[0], producer.generation_id, bearer(ANN))
    assert ANN.encode() not in urlsafe_b64decode(made + "=" * (-len(made) % 4))


async def test_of_an_open_server_it_is_no_token_once_keys_are_asked_for(make_api: MakeApi, redis_url: str) -> None:
    opened = await make_api(redis_url)
    producer = await Producer.start(opened.log, await opened.post())
    await producer.complete()
    made = await token(opened, producer.generation_id, {})
    assert await status(opened, producer.generation_id, made) == 200
    assert await status(opened, producer.generation_id, "nonsense") == 200  # nobody is asked who that is
    closed = await make_api(redis_url, api_keys=f"local:{ANN}")
    assert await status(closed, producer.generation_id, made) == 401


async def test_a_link_is_no_token(nodes: tuple[Api, Api]) -> None:
    producer = await ended(nodes[0])
    link = await share(nodes[0], producer.generation_id, bearer(ANN))
    assert await status(nodes[0], producer.generation_id, link["path"].removeprefix("/s/")) == 401
