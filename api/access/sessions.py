"""Sessions: a browser's cookie in the place of a key, which its page cannot read and an EventSource sends along.

The cookie's name begins with `__Host-`, so a browser takes it only over TLS, and for this host alone (RFC 6265bis,
4.1.3.2); `SameSite=Strict` keeps it from requests that another site causes. Over plain HTTP it is taken from loopback
only, as the origin is potentially trustworthy (W3C Secure Contexts, 3.1): by Chromium 156, tried; not by every browser.
"""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Collection

import msgspec
from fastapi import Request
from redis.asyncio import Redis

from api.access.caller import Caller, Scope
from api.access.callers import refused
from shared.storage.keys import session_key

COOKIE = "__Host-midstream"
MAX_S = 12 * 3_600
"""Seconds after which a session ends by itself."""
PREFIX = "session:"

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"

Ended = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Returns those of some grants that have ended (`Callers.ended`)."""


class Session(msgspec.Struct):
    """Who a cookie stands for, as Redis keeps it under a digest of the cookie."""

    owner: str
    scopes: list[str]
    grant: str
    """Names the key that it was made with, and ends with."""


class Sessions:
    """Begins, knows and ends sessions. Methods raise redis.exceptions.RedisError."""

    def __init__(self, redis: Redis, ended: Ended, *, open_to_all: bool) -> None:
        self._redis = redis
        self._ended = ended
        self._open_to_all = open_to_all

    async def begin(self, caller: Caller, grant: str) -> tuple[str, float]:
        """Returns the cookie's value of a new session, and when it ends (Unix time, s)."""
        value = secrets.token_urlsafe(32)
        now = time.time()
        end = min(now + MAX_S, caller.expires or now + MAX_S)
        session = Session(caller.owner, sorted(caller.scopes), grant)
        lives_ms = max(1, int((end - now) * 1000))
        await self._redis.set(session_key(_digest(value)), msgspec.json.encode(session), px=lives_ms)
        return value, end

    async def end(self, request: Request) -> None:
        """Ends the session of a request, if it has one: what is open by it is cut."""
        if value := request.cookies.get(COOKIE):
            await self._redis.delete(session_key(_digest(value)))

    async def caller(self, request: Request) -> Caller | None:
        """Returns whose session the request has; None where it has none, or a key. Raises ProblemError 401."""
        headers = request.headers
        if self._open_to_all or headers.get("authorization") or headers.get("x-api-key"):
            return None
        value = request.cookies.get(COOKIE)
        if not value:
            return None
        digest = _digest(value)
        stored = await self._redis.get(session_key(digest))
        session = None if stored is None else msgspec.json.decode(stored, type=Session)
        if session is None or await self._ended([session.grant]):
            raise refused("The session has ended", "Begin another with POST /v1/session and an API key.")
        return Caller(session.owner, frozenset(map(Scope, session.scopes)), PREFIX + digest)

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns the sessions among these grants that are over, by themselves or with their key."""
        asked = [grant for grant in grants if grant.startswith(PREFIX)]
        if not asked:
            return ()
        stored = await self._redis.mget([session_key(grant.removeprefix(PREFIX)) for grant in asked])
        made_with = {
            grant: msgspec.json.decode(value, type=Session).grant
            for grant, value in zip(asked, stored, strict=True)
            if value is not None
        }
        over = await self._ended(set(made_with.values()))
        return [grant for grant in asked if grant not in made_with or made_with[grant] in over]


def cookie(value: str, seconds: float) -> str:
    """Returns a Set-Cookie that begins a session."""
    return f"{COOKIE}={value}; {_ATTRIBUTES}; Max-Age={int(seconds)}"


def no_cookie() -> str:
    """Returns a Set-Cookie that ends one."""
    return f"{COOKIE}=; {_ATTRIBUTES}; Max-Age=0"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
