"""Grants of the keys in the settings: what was let in by one of them, and outlives its request, ends with that key."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection

from fastapi import Request

from api.access.bearer import presented_tokens
from shared.config.settings import Settings

PREFIX = "settings:"
OPEN = f"{PREFIX}open"
"""The grant of everybody, where no key is asked for."""

Secret = Callable[[], Awaitable[bytes]]
"""Returns the key of all HMACs (`Generations.secret`)."""


class SettingsGrants:
    """Names each key of the settings, and whose it is, by an HMAC, by which it cannot be guessed.

    Methods raise redis.exceptions.RedisError.
    """

    def __init__(self, settings: Settings, secret: Secret) -> None:
        self._owners = settings.key_owners()
        self._open_to_all = settings.open_to_all
        self._secret = secret
        self._known: frozenset[str] | None = None

    async def of(self, request: Request) -> str:
        """Returns the grant of a request which such a key, or the lack of any, has let in."""
        headers = request.headers
        keys = [*presented_tokens(headers.get("authorization"), headers.get("x-api-key"))]
        return OPEN if self._open_to_all or not keys else await self._named(keys[0])

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns those of such keys that the settings do not have any more."""
        of_settings = {grant for grant in grants if grant.startswith(PREFIX)}
        if of_settings and self._known is None:
            self._known = frozenset([OPEN] if self._open_to_all else [await self._named(key) for key in self._owners])
        return of_settings - (self._known or set())

    async def _named(self, key: str) -> str:
        # With a word of its own: other HMACs are made with this secret, too.
        owner = self._owners.get(key, "")
        message = f"api key\n{len(owner)}:{owner}{key}".encode("utf-8", "surrogatepass")
        return PREFIX + hmac.digest(await self._secret(), message, hashlib.sha256)[:16].hex()
