"""JSON Web Tokens (RFC 7519) of the identity provider that the settings name: each end user is an owner.

What is verified follows RFC 8725: two algorithms, each with a key of its own kind, and `iss`, `aud` and `exp` always.
"""

import re
import time
from collections.abc import Collection
from typing import Any

import jwt
from jwt import InvalidSignatureError, PyJWTError

from api.access.caller import Caller
from api.access.issuer_keys import ALGORITHMS, IssuerKeys
from shared.access.stored_key import flaw_of_owner
from shared.config.settings import Settings

GRANT = "jwt:"
EXPIRED_LEEWAY_S = 5.0
"""Seconds for which a token is taken after its `exp`, as clocks differ."""
EARLY_LEEWAY_S = 30.0
"""Seconds by which the issuer's clock may be ahead: an `iat` or `nbf` that is to come."""
MAX_CHARS = 16_384
MAX_TRIED = 10
"""Keys that are tried for a token that names none."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_FAULTS = (PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What a token that is wrong comes to."""


class JsonWebTokens:
    """Reads tokens of one issuer."""

    def __init__(self, settings: Settings, keys: IssuerKeys) -> None:
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._claim, self._prefix = settings.jwt_owner_claim, settings.jwt_owner_prefix
        self._keys = keys

    async def holder(self, token: str) -> Caller | None:
        """Returns whose token it is; None where it is none, or not good. Raises ProblemError 503."""
        if len(token) > MAX_CHARS or not _SHAPE.fullmatch(token):
            return None
        try:
            header = jwt.get_unverified_header(token)
        except _FAULTS:
            return None
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            return None
        for one in (await self._keys.named(algorithm, header.get("kid")))[:MAX_TRIED]:
            try:
                return self._caller(self._claims(token, one.key, algorithm))
            except InvalidSignatureError:
                continue
            except _FAULTS:
                return None
        return None

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns those grants that are tokens which have expired."""
        now = time.time()
        mine = (grant for grant in grants if grant.startswith(GRANT))
        return [grant for grant in mine if _is_over(int(grant.removeprefix(GRANT)), now)]

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        """Returns what a token claims. Raises what is in _FAULTS."""
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=EARLY_LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims

    def _caller(self, claims: dict[str, Any]) -> Caller | None:
        expires, owner = claims["exp"], claims.get(self._claim)
        if isinstance(expires, bool) or not isinstance(expires, int | float) or _is_over(int(expires), time.time()):
            return None
        if not isinstance(owner, str) or not owner or flaw_of_owner(self._prefix + owner):
            return None
        return Caller(self._prefix + owner, grant=f"{GRANT}{int(expires)}", expires=expires)


def _is_over(expires: int, now: float) -> bool:
    return expires + EXPIRED_LEEWAY_S <= now
