"""Shares: links by which anybody may read one generation, until they expire or are revoked.

A link holds a secret of 160 bits. Redis keeps a share under its id, which is made of the secret and does not give it
away: no index is needed, and who reads Redis has no link.
"""

import hashlib
import re
import secrets
import time
from base64 import b32encode
from collections.abc import Collection
from typing import NamedTuple

import msgspec
from fastapi import Request
from redis.asyncio import Redis

from api.access.caller import Caller, Scope
from api.problems.problem import ProblemError
from api.request_paths import SHARED
from shared.storage.keys import share_key

PREFIX = "share:"

_SECRET = re.compile(r"[a-z2-7]{32}")
_ID = re.compile(r"shr_[a-z2-7]{32}")


class Share(msgspec.Struct):
    """What a link leads to."""

    generation: str
    owner: str


class NewShare(NamedTuple):
    """What its maker is told of a share."""

    id: str
    secret: str
    expires: float
    """Unix time (s)."""


class Shares:
    """Makes, knows and revokes shares. Methods raise redis.exceptions.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def make(self, generation_id: str, owner: str, seconds: float) -> NewShare:
        """Returns a new share of a generation."""
        secret = _text(secrets.token_bytes(20))
        share_id = _id(secret)
        stored = msgspec.json.encode(Share(generation_id, owner))
        await self._redis.set(share_key(share_id), stored, px=int(seconds * 1000))
        return NewShare(share_id, secret, time.time() + seconds)

    async def revoke(self, generation_id: str, owner: str, share_id: str) -> bool:
        """Ends a share, and soon what is open by it; returns False where that id is none of this generation's."""
        if not _ID.fullmatch(share_id):
            return False
        stored = await self._redis.get(share_key(share_id))
        if stored is None:
            return True  # revoked already, or expired
        if msgspec.json.decode(stored, type=Share) != Share(generation_id, owner):
            return False
        await self._redis.delete(share_key(share_id))
        return True

    async def caller(self, request: Request) -> Caller | None:
        """Returns who reads by the link that was asked for; None at any other address. Raises ProblemError 404."""
        if not request.scope["path"].startswith(SHARED):
            return None
        secret = request.path_params.get("secret", "")
        stored = await self._redis.get(share_key(_id(secret))) if _SECRET.fullmatch(secret) else None
        if stored is None:
            raise ProblemError(
                404,
                "no_such_link",
                "The link leads nowhere",
                "It was revoked, has expired, or never was one. Ask who sent it for another.",
            )
        share = msgspec.json.decode(stored, type=Share)
        return Caller(share.owner, frozenset({Scope.READ}), PREFIX + _id(secret), share.generation)

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns the shares among these grants that were revoked or have expired."""
        asked = [grant for grant in grants if grant.startswith(PREFIX)]
        if not asked:
            return ()
        stored = await self._redis.mget([share_key(grant.removeprefix(PREFIX)) for grant in asked])
        return [grant for grant, value in zip(asked, stored, strict=True) if value is None]


def _id(secret: str) -> str:
    return "shr_" + _text(hashlib.sha256(secret.encode()).digest()[:20])


def _text(data: bytes) -> str:
    return b32encode(data).decode().lower()
