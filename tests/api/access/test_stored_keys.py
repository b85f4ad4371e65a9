"""Keys of the store as a node knows them: believed for a moment, taken on while Redis is away, and no memory filled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any, cast

import httpx2
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, RedisError

from api.access import stored_keys
from api.access.caller import Caller, Scope
from api.access.stored_keys import MAX_GOOD, MAX_WRONG, StoredKeys
from midstream.processes.valkey import Valkey
from shared.access.key_store import KeyStore
from shared.access.scopes import EVERYTHING, USUAL
from shared.access.stored_key import KeyName, StoredKey, name_of, new_key
from shared.storage.connections import connect
from tests.api.harness import BODY, Api, MakeApi, until


class Store:
    """A store of which a test says what it has, and how it answers; it counts."""

    def __init__(self, *keys: str, expires_ms: int | None = None) -> None:
        self.keys = {name_of(key, b"s"): key for key in keys}
        self.expires_ms = expires_ms
        self.looks = 0
        self.away: Exception | None = None
        self.hang = False
        self.noted: list[set[str]] = []

    async def name(self, key: str) -> KeyName:
        return name_of(key, b"s")

    async def find(self, name: KeyName) -> StoredKey | None:
        self.looks += 1
        await asyncio.sleep(0)
        if self.hang:
            await asyncio.sleep(3600)
        if self.away is not None:
            raise self.away
        return StoredKey(name.id, "ann", USUAL, 0, self.expires_ms) if name in self.keys else None

    async def ended(self, ids: Collection[str]) -> set[str]:
        return set(ids) - {name.id for name in self.keys}

    async def note_used(self, ids: Collection[str]) -> None:
        if self.away is not None:
            raise self.away
        self.noted.append(set(ids))


def reading(store: Store) -> StoredKeys:
    return StoredKeys(cast(KeyStore, store))


async def test_a_key_is_looked_up_once_however_many_ask() -> None:
    key = new_key()
    store = Store(key)
    keys = reading(store)
    holders = await asyncio.gather(*(keys.holder(key) for _ in range(50)))
    assert set(holders) == {Caller("ann", USUAL, f"key:{name_of(key, b's').id}")}
    assert await keys.holder(key) == holders[0]
    assert store.looks == 1


async def test_a_wrong_key_is_remembered_too_and_what_is_no_key_is_not_asked_for() -> None:
    store = Store()
    keys, wrong = reading(store), new_key()
    for _ in range(5):
        assert await keys.holder(wrong) is None
    assert store.looks == 1
    for other in ("", "secret", "ms_short", "a.b.c", "ms_" + "A" * 32):
        assert await keys.holder(other) is None
    assert store.looks == 1


async def test_what_redis_said_is_believed_for_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    store = Store(key)
    keys = reading(store)
    assert await keys.holder(key) is not None
    store.keys.clear()
    assert await keys.holder(key) is not None
    monkeypatch.setattr(stored_keys, "BELIEVED_S", 0.0)
    assert await keys.holder(key) is None
    store.keys[name_of(key, b"s")] = key
    assert await keys.holder(key) is not None, "nor is a wrong key wrong for ever"
    assert stored_keys.LOOK_TIMEOUT_S <= 2.0


async def test_while_redis_is_away_a_known_key_goes_on_and_others_are_not_called_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_keys, "BELIEVED_S", 0.0)
    key, wrong, unknown = new_key(), new_key(), new_key()
    store = Store(key)
    keys = reading(store)
    assert await keys.holder(key) is not None
    assert await keys.holder(wrong) is None
    store.away = ConnectionError()
    assert await keys.holder(key) is not None
    for other in (wrong, unknown):
        with pytest.raises(RedisError):
            await keys.holder(other)
    monkeypatch.setattr(stored_keys, "AWAY_S", 0.0)
    with pytest.raises(RedisError):
        await keys.holder(key)


async def test_a_key_that_has_expired_is_not_taken_on_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "BELIEVED_S", 0.0)
    key = new_key()
    store = Store(key, expires_ms=1)
    keys = reading(store)
    assert await keys.holder(key) is not None
    store.away = ConnectionError()
    with pytest.raises(RedisError):
        await keys.holder(key)


async def test_a_redis_that_says_nothing_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "BELIEVED_S", 0.0)
    monkeypatch.setattr(stored_keys, "LOOK_TIMEOUT_S", 0.2)
    key = new_key()
    store = Store(key)
    keys = reading(store)
    assert await keys.holder(key) is not None
    store.hang = True
    for _ in range(20):  # they wait for one look, not each for its own
        assert await keys.holder(key) is not None
    assert store.looks == 2
    with pytest.raises(RedisError):
        await keys.holder(new_key())


async def test_who_tries_many_keys_takes_no_memory_and_makes_nobody_forget_a_good_one() -> None:
    key = new_key()
    store = Store(key)
    keys = reading(store)
    assert await keys.holder(key) is not None
    for _ in range(MAX_WRONG + 50):
        assert await keys.holder(new_key()) is None
    assert len(keys._wrong) == MAX_WRONG
    looks = store.looks
    assert await keys.holder(key) is not None
    assert store.looks == looks
    assert MAX_GOOD >= 1_000


async def test_a_use_is_noted_once_a_minute_and_again_where_it_could_not_be() -> None:
    key, wrong = new_key(), new_key()
    store = Store(key)
    keys = reading(store)
    id = name_of(key, b"s").id
    await keys.holder(wrong)
    await keys.note_uses()
    assert store.noted == []
    await keys.holder(key)
    store.away = ConnectionError()
    with pytest.raises(RedisError):
        await keys.note_uses()
    store.away = None
    await keys.note_uses()
    assert store.noted == [{id}]
    await keys.holder(key)
    await keys.note_uses()
    assert store.noted == [{id}]
    keys._noted[id] -= stored_keys.NOTE_EACH_S
    await keys.note_uses()  # it is due again, at its next use
    await keys.holder(key)
    await keys.note_uses()
    assert store.noted == [{id}, {id}]


async def test_grants_of_keys_end_with_them_and_others_are_not_ours() -> None:
    key = new_key()
    keys = reading(Store(key))
    good = f"key:{name_of(key, b's').id}"
    assert set(await keys.ended([good, "key:gone", "jwt:5", "session:x"])) == {"key:gone"}


ROUTES = [
    ("GET", "/v1/generations", Scope.READ),
    ("GET", "/v1/generations/{id}", Scope.READ),
    ("GET", "/v1/generations/{id}/events", Scope.READ),
    ("GET", "/v1/models", Scope.READ),
    ("GET", "/v1/usage", Scope.READ),
    ("POST", "/v1/generations", Scope.GENERATE),
    ("POST", "/v1/generations/{id}/cancel", Scope.GENERATE),
    ("POST", "/v1/chat/completions", Scope.GENERATE),
    ("POST", "/v1/responses", Scope.GENERATE),
    ("POST", "/v1/messages", Scope.GENERATE),
    ("DELETE", "/v1/generations/{id}", Scope.GENERATE),
    ("GET", "/v1/usage?owner=*", Scope.ADMIN),
    ("GET", "/v1/usage?owner=ann", Scope.ADMIN),
    ("GET", "/v1/status", Scope.ADMIN),
]


@pytest.fixture
async def keyed(make_api: MakeApi, redis_url: str) -> AsyncIterator[tuple[Api, KeyStore]]:
    """An API that takes keys from Redis alone, and its store."""
    api = await make_api(redis_url, keys="redis")
    client: Redis = connect(redis_url, timeout=5)
    yield api, KeyStore(client, api.generations.secret)
    await client.aclose()


@pytest.mark.parametrize("scope", Scope)
async def test_each_route_wants_its_scope(keyed: tuple[Api, KeyStore], scope: Scope) -> None:
    api, store = keyed
    every = {"Authorization": f"Bearer {(await store.create('ann', EVERYTHING)).key}"}
    generation_id = await api.post(headers=every)
    one = {"Authorization": f"Bearer {(await store.create('ann', {scope})).key}"}
    for method, path, needed in ROUTES:
        address = path.replace("{id}", generation_id)
        json: Any = BODY if method == "POST" and path.endswith("generations") else {} if method == "POST" else None
        async with api.client.stream(method, address, headers=one, json=json) as answer:
            refused = answer.status_code == 403 and "insufficient_scope" in (await answer.aread()).decode()
            challenge = answer.headers.get("www-authenticate", "")
        assert refused == (needed is not scope), (method, path, answer.status_code)
        assert (f'scope="{needed}"' in challenge) == refused


async def test_without_a_good_key_nothing_is_open(keyed: tuple[Api, KeyStore]) -> None:
    api, store = keyed
    revoked = await store.create("ann", EVERYTHING)
    await store.revoke(revoked.stored.id)
    for key in (None, new_key(), revoked.key, revoked.stored.id):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        answers: list[httpx2.Response] = []
        for method, path, _ in ROUTES:
            address = path.replace("{id}", "gen_" + "a" * 32)
            answers.append(await api.client.request(method, address, headers=headers))
        assert {answer.status_code for answer in answers} == {401}
        if key is not None:
            assert not [answer for answer in answers if key in answer.text]


async def test_a_revoked_key_is_refused_soon_and_its_streams_are_cut(keyed: tuple[Api, KeyStore]) -> None:
    api, store = keyed
    made = await store.create("ann", USUAL)
    headers = {"Authorization": f"Bearer {made.key}"}
    generation_id = await api.post(headers=headers)
    async with api.view(generation_id, **headers) as viewing:
        await until(lambda: api.hub.granted.grants, "the stream")
        assert set(api.hub.granted.grants) == {f"key:{made.stored.id}"}
        await store.revoke(made.stored.id)
        with pytest.raises(httpx2.HTTPError):
            await viewing.rest()
    async with asyncio.timeout(20):
        while await api.status(generation_id) != 401:
            await asyncio.sleep(0.1)


async def test_keys_go_on_while_redis_is_away(make_api: MakeApi, own_valkey: Valkey) -> None:
    """A known key is still who it was, and an unknown one may be right: neither is told 401."""
    api = await make_api(own_valkey.url, keys="redis", redis_timeout=0.5)
    client = connect(own_valkey.url, timeout=5)
    store = KeyStore(client, api.generations.secret)
    known, unknown = (await store.create("ann", USUAL)).key, (await store.create("bob", USUAL)).key
    await client.aclose()
    assert (await api.client.get("/v1/models", headers={"x-api-key": known})).status_code == 200
    await own_valkey.kill()
    await asyncio.sleep(stored_keys.BELIEVED_S)
    assert (await api.client.get("/v1/models", headers={"x-api-key": known})).status_code == 200
    refused = await api.client.get("/v1/models", headers={"x-api-key": unknown})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert (await api.client.get("/v1/models", headers={"x-api-key": "nonsense"})).status_code == 401
    await own_valkey.start()
    async with asyncio.timeout(20):
        while (await api.client.get("/v1/models", headers={"x-api-key": unknown})).status_code != 200:
            await asyncio.sleep(0.1)
