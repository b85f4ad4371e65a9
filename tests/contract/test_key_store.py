"""The store of API keys, on each kind of server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.access.key_store import KeyStore
from shared.access.scopes import EVERYTHING, USUAL, Scope
from shared.storage.keys import KEYS_KEY, stored_key


@pytest.fixture
def store(redis: Any) -> KeyStore:
    async def secret() -> bytes:
        return b"secret"

    return KeyStore(redis, secret)


async def found(store: KeyStore, key: str) -> Any:
    return await store.find(await store.name(key))


async def test_a_key_is_found_by_itself_alone(store: KeyStore) -> None:
    made = await store.create("ann", EVERYTHING)
    other = await store.create("bob", USUAL)
    assert await found(store, made.key) == made.stored
    assert await found(store, other.key) == other.stored
    assert made.stored.owner == "ann"
    assert made.stored.scopes == EVERYTHING
    assert await found(store, made.key[:-1] + ("a" if made.key[-1] != "a" else "b")) is None


async def test_the_id_alone_finds_nothing(store: KeyStore) -> None:
    made = await store.create("ann", USUAL)
    name = await store.name(made.key)
    assert await store.find(name._replace(digest="0" * 44)) is None


async def test_another_secret_finds_nothing(store: KeyStore, redis: Any) -> None:
    async def other() -> bytes:
        return b"other"

    made = await store.create("ann", USUAL)
    assert await found(KeyStore(redis, other), made.key) is None


async def test_what_was_revoked_is_gone(store: KeyStore, redis: Any) -> None:
    made, kept = await store.create("ann", USUAL), await store.create("ann", USUAL)
    ids = [made.stored.id, kept.stored.id]
    assert await store.ended(ids) == set()
    assert await store.revoke(made.stored.id)
    assert not await store.revoke(made.stored.id)
    assert await found(store, made.key) is None
    assert await store.ended([*ids, "key_" + "a" * 16]) == {made.stored.id, "key_" + "a" * 16}
    assert await store.all() == [kept.stored]
    # A use that is noted late does not bring it back.
    await store.note_used(ids)
    assert await redis.zrange(KEYS_KEY, 0, -1) == [kept.stored.id.encode()]


async def test_a_key_ends_by_itself(store: KeyStore, redis: Any) -> None:
    made = await store.create("ann", USUAL, 200)
    assert made.stored.expires_ms == made.stored.created_ms + 200
    assert await found(store, made.key) == made.stored
    async with asyncio.timeout(10):
        while await found(store, made.key) is not None:
            await asyncio.sleep(0.05)
    assert await store.ended([made.stored.id]) == {made.stored.id}
    assert await store.all() == []
    assert await redis.exists(KEYS_KEY) == 0, "the list forgets it"


async def test_the_list_has_the_last_uses(store: KeyStore) -> None:
    first, second = await store.create("bob", USUAL), await store.create("ann", {Scope.READ})
    assert {key.id: key.used_ms for key in await store.all()} == {first.stored.id: None, second.stored.id: None}
    await store.note_used([second.stored.id, "key_" + "a" * 16])
    by_id = {key.id: key for key in await store.all()}
    assert by_id.keys() == {first.stored.id, second.stored.id}
    assert by_id[first.stored.id].used_ms is None
    assert by_id[second.stored.id].used_ms >= second.stored.created_ms  # type: ignore[operator]
    assert by_id[second.stored.id].scopes == {Scope.READ}


async def test_a_new_key_takes_the_place_of_an_old_one(store: KeyStore) -> None:
    old = await store.create("ann", {Scope.ADMIN}, 60_000)
    new = await store.rotate(old.stored.id)
    assert new is not None
    assert (new.stored.owner, new.stored.scopes) == ("ann", frozenset({Scope.ADMIN}))
    assert new.stored.expires_ms == new.stored.created_ms + 60_000
    assert await found(store, old.key) is None
    assert await found(store, new.key) == new.stored
    assert await store.all() == [new.stored]


async def test_an_old_key_may_be_kept_for_a_while_and_never_for_longer(store: KeyStore, redis: Any) -> None:
    old = await store.create("ann", USUAL, 600_000)
    new = await store.rotate(old.stored.id, 60_000)
    assert new is not None
    kept = await found(store, old.key)
    assert kept.expires_ms < old.stored.expires_ms
    assert 0 < await redis.pttl(stored_key(old.stored.id)) <= 60_000
    again = await store.rotate(old.stored.id, 900_000)
    assert again is not None
    assert (await found(store, old.key)).expires_ms == kept.expires_ms
    assert again.stored.expires_ms == again.stored.created_ms + 600_000, "as long as the first was made for"
    assert await store.ended([new.stored.id, again.stored.id]) == set()


async def test_nothing_is_rotated_that_is_not_there(store: KeyStore) -> None:
    made = await store.create("ann", USUAL)
    await store.revoke(made.stored.id)
    assert await store.rotate(made.stored.id) is None
    for id in ("nonsense", "", "key_*"):
        assert await store.rotate(id) is None
        assert not await store.revoke(id)
    assert await store.all() == []


async def test_a_rotation_whose_reply_was_lost_may_be_sent_again(store: KeyStore, redis: Any) -> None:
    old = await store.create("ann", USUAL)
    name = await store.name("ms_" + "a" * 32)
    keys = [KEYS_KEY, stored_key(old.stored.id), stored_key(name.id)]
    for _ in range(2):
        assert await KeyStore._rotate(redis, keys, [old.stored.id, name.id, name.digest, 0]) == 1
    assert [key.id for key in await store.all()] == [name.id]
