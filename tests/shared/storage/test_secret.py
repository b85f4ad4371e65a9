"""The key of all HMACs: the same for all who ask, however many come first."""

from __future__ import annotations

import asyncio

from fakeredis import FakeAsyncRedis

from shared.storage.secret import read_secret


async def test_it_is_made_once() -> None:
    redis = FakeAsyncRedis()
    found = set(await asyncio.gather(*(read_secret(redis) for _ in range(10))))
    assert len(found) == 1
    [secret] = found
    assert len(bytes.fromhex(secret.decode())) == 32
    assert await read_secret(redis) == secret
    await redis.flushall()
    assert await read_secret(redis) != secret
    await redis.aclose()
