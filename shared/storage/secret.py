"""The key of all HMACs: made once, by whoever needs it first, and kept by the logs' Redis."""

import secrets

from redis.asyncio import Redis

from shared.storage.keys import SECRET_KEY


async def read_secret(redis: Redis) -> bytes:
    """Returns the key of all HMACs, of the logs' Redis; where there is none it is made.

    Raises redis.exceptions.RedisError.
    """
    await redis.set(SECRET_KEY, secrets.token_hex(32), nx=True)
    secret: bytes | None = await redis.get(SECRET_KEY)
    assert secret is not None
    return secret
