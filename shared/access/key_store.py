"""The store of API keys, in the queue's Redis. It has their HMACs only; the HMACs' key is in the logs' Redis.

A key is good for as long as Redis has it: one that is revoked is removed, and one that expires is removed by Redis, so
that no clock but its own counts.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import NamedTuple

from redis.asyncio import Redis

from shared.access.scopes import Scope, written
from shared.access.stored_key import KeyName, StoredKey, looks_like_id, name_of, new_key, read_key
from shared.storage.keys import KEYS_KEY, stored_key
from shared.storage.lua_script import LuaScript

KEYS_PER_ROUND_TRIP = 1_000


class NewKey(NamedTuple):
    """A key that was just made: the only time that it is known."""

    key: str
    stored: StoredKey


class KeyStore:
    """Makes, finds, lists and ends keys. Methods raise redis.exceptions.RedisError."""

    _rotate = LuaScript("shared/access/rotate_key.lua")

    def __init__(self, redis: Redis, secret: Callable[[], Awaitable[bytes]]) -> None:
        self._redis, self._secret = redis, secret

    async def create(self, owner: str, scopes: Iterable[Scope], lasts_ms: int | None = None) -> NewKey:
        """Makes a key of an owner, which is good for so long, or until it is revoked."""
        key = new_key()
        name = name_of(key, await self._secret())
        now_ms = await self._now_ms()
        expires_ms = None if lasts_ms is None else now_ms + lasts_ms
        stored = StoredKey(name.id, owner, frozenset(scopes), now_ms, expires_ms)
        fields = {"digest": name.digest, "owner": owner, "scopes": written(scopes), "created": str(now_ms)}
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(stored_key(name.id), mapping=fields)
            if lasts_ms is not None:
                pipe.hset(stored_key(name.id), mapping={"expires": str(expires_ms), "lasts": str(lasts_ms)})
                pipe.pexpire(stored_key(name.id), lasts_ms)
            pipe.zadd(KEYS_KEY, {name.id: 0}, nx=True)
            await pipe.execute()
        return NewKey(key, stored)

    async def rotate(self, key_id: str, keep_ms: int = 0) -> NewKey | None:
        """Makes a new key in place of one, which ends after so long; returns None where there is no such key."""
        if not looks_like_id(key_id):
            return None
        key = new_key()
        name = name_of(key, await self._secret())
        args: list[str | int] = [key_id, name.id, name.digest, keep_ms]
        if not await self._rotate(self._redis, [KEYS_KEY, stored_key(key_id), stored_key(name.id)], args):
            return None
        stored = read_key(name.id, await self._fields(name.id))
        return None if stored is None else NewKey(key, stored)

    async def revoke(self, key_id: str) -> bool:
        """Ends a key at once; returns False where there is none of this id."""
        if not looks_like_id(key_id):
            return False
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(stored_key(key_id))
            pipe.zrem(KEYS_KEY, key_id)
            removed, _ = await pipe.execute()
        return bool(removed)

    async def all(self) -> list[StoredKey]:
        """Returns the keys that are good, the oldest first; forgets the ids of those that have expired."""
        uses = {id.decode(): int(used) for id, used in await self._redis.zrange(KEYS_KEY, 0, -1, withscores=True)}
        found: list[StoredKey] = []
        for ids in _pages([*uses]):
            async with self._redis.pipeline(transaction=False) as pipe:
                for id in ids:
                    pipe.hgetall(stored_key(id))
                answers = await pipe.execute()
            expired = [id for id, fields in zip(ids, answers, strict=True) if not fields]
            if expired:
                await self._redis.zrem(KEYS_KEY, *expired)
            read = (read_key(id, fields, uses[id] or None) for id, fields in zip(ids, answers, strict=True))
            found += [key for key in read if key is not None]
        return sorted(found, key=lambda key: (key.created_ms, key.id))

    async def name(self, key: str) -> KeyName:
        """Returns under which name a key would be kept."""
        return name_of(key, await self._secret())

    async def find(self, name: KeyName) -> StoredKey | None:
        """Returns what is known of the key of this name; None where there is none."""
        fields = await self._fields(name.id)
        # The id may be known, the rest of the HMAC is not.
        if not hmac.compare_digest(fields.get(b"digest", b""), name.digest.encode()):
            return None
        return read_key(name.id, fields)

    async def ended(self, ids: Collection[str]) -> set[str]:
        """Returns those of these keys that are good no more."""
        ended: set[str] = set()
        for page in _pages([*ids]):
            async with self._redis.pipeline(transaction=False) as pipe:
                for id in page:
                    pipe.exists(stored_key(id))
                answers = await pipe.execute()
            ended |= {id for id, exists in zip(page, answers, strict=True) if not exists}
        return ended

    async def note_used(self, ids: Collection[str]) -> None:
        """Notes that these keys were used now; one that was removed meanwhile does not come back."""
        now_ms = await self._now_ms()
        for page in _pages([*ids]):
            await self._redis.zadd(KEYS_KEY, dict.fromkeys(page, now_ms), xx=True, gt=True)

    async def _fields(self, key_id: str) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = await self._redis.hgetall(stored_key(key_id))  # type: ignore[misc]
        return fields

    async def _now_ms(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


def _pages(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + KEYS_PER_ROUND_TRIP] for start in range(0, len(ids), KEYS_PER_ROUND_TRIP)]
