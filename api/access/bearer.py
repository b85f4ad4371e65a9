"""Bearer tokens (RFC 6750), or what is sent as `x-api-key`: API keys and JSON Web Tokens, each kind with its reader.

Clients of Anthropic Messages send `x-api-key`, some of them beside `Authorization`.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from fastapi import Request
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.access.caller import Caller
from api.access.callers import unauthorized

ENDED_TIMEOUT_S = 1.5
"""Seconds in which a kind must say which grants have ended: less than all of them are given (`Callers`)."""


class BearerReader(Protocol):
    """One kind of token: it knows its own, by their shape or otherwise."""

    async def holder(self, token: str) -> Caller | None:
        """Returns who has this token; None where it is none of this kind, or good no more.

        Raises ProblemError 503 and redis.exceptions.RedisError where that cannot be known now.
        """

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns what `Credential.ended` does."""


class Bearer:
    """The credential that a request names itself. Whatever is wrong with one, the answer is the same."""

    def __init__(self, readers: Sequence[BearerReader], *, open_to_all: bool = False) -> None:
        self._readers = readers
        self._open_to_all = open_to_all

    async def caller(self, request: Request) -> Caller | None:
        """Returns who asks; None where no header says anything. Raises ProblemError 401 or 503, and RedisError."""
        authorization, x_api_key = request.headers.get("authorization"), request.headers.get("x-api-key")
        if not (authorization or x_api_key) or self._open_to_all:
            return None
        caller = await self.holder(authorization, x_api_key)
        if caller is None:
            raise unauthorized(invalid=True)
        return caller

    async def holder(self, authorization: str | None, x_api_key: str | None = None) -> Caller | None:
        """Returns who has what these headers hold; None where one holds nothing that is good, or they do not agree."""
        found: Caller | None = None
        for token in dict.fromkeys(presented_tokens(authorization, x_api_key)):
            holder = await self._holder(token)
            if holder is None:
                return None
            found = holder if found is None else _both(found, holder)
            if found is None:
                return None
        return found

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns those grants that have ended, of any kind. Raises RedisError where it knows of none, not of all."""
        answers = await asyncio.gather(*(_ended(reader, grants) for reader in self._readers), return_exceptions=True)
        ended = [grant for answer in answers if not isinstance(answer, BaseException) for grant in answer]
        if not ended and (error := next((one for one in answers if isinstance(one, BaseException)), None)):
            raise error
        return ended

    async def _holder(self, token: str) -> Caller | None:
        for reader in self._readers:
            if (holder := await reader.holder(token)) is not None:
                return holder
        return None


async def _ended(reader: BearerReader, grants: Collection[str]) -> Collection[str]:
    try:
        async with asyncio.timeout(ENDED_TIMEOUT_S):
            return await reader.ended(grants)
    except TimeoutError:
        raise RedisTimeoutError("keys cannot be looked up") from None


def presented_tokens(authorization: str | None, x_api_key: str | None) -> Iterator[str]:
    """Yields the token in each header that has something; an empty one where a header has something else."""
    if authorization:
        scheme, _, token = authorization.partition(" ")
        yield token.strip() if scheme.lower() == "bearer" else ""
    if x_api_key:
        yield x_api_key.strip()


def _both(one: Caller, other: Caller) -> Caller | None:
    """Returns who has two different tokens: it may what both may. None where it is not one who can be revoked."""
    if one.owner != other.owner or (one.grant and other.grant and one.grant != other.grant):
        return None
    expires = min((caller.expires for caller in (one, other) if caller.expires is not None), default=None)
    return Caller(one.owner, one.scopes & other.scopes, one.grant or other.grant, expires=expires)
