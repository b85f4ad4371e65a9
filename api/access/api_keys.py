"""API keys as Bearer tokens (RFC 6750) or in `x-api-key`: each names an owner; without keys everybody is `local`.

Clients of Anthropic Messages send `x-api-key`, some of them beside `Authorization`.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request

from api.problems.problem import ProblemError
from shared.config.settings import Settings

LOCAL_OWNER = "local"


class ApiKeys:
    """The owner of each API key, by the key's digest; made once at start.

    A key is looked up by its SHA-256. The time of a look-up can reveal something of that digest only, and nobody can
    choose a key by its digest: so it reveals nothing of a valid key, which the caller would have to know first.
    """

    def __init__(self, settings: Settings) -> None:
        self._owners = {_digest(key): owner for key, owner in settings.owners().items()}

    @property
    def required(self) -> bool:
        """Says whether callers must have a key."""
        return bool(self._owners)

    def owner(self, authorization: str | None, x_api_key: str | None = None) -> str | None:
        """Returns the owner of the key in these headers; None where it is not one of ours, or they differ in owner."""
        if not self._owners:
            return LOCAL_OWNER
        named = [self._owners.get(_digest(key)) for key in _keys(authorization, x_api_key)]
        return named[0] if named and named.count(named[0]) == len(named) else None


def _keys(authorization: str | None, x_api_key: str | None) -> Iterator[str]:
    """Yields the key in each header that has something; no key where a header has something else."""
    if authorization:
        scheme, _, key = authorization.partition(" ")
        yield key.strip() if scheme.lower() == "bearer" else ""
    if x_api_key:
        yield x_api_key.strip()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def _owner(request: Request) -> str:
    keys: ApiKeys = request.app.state.keys
    authorization, x_api_key = request.headers.get("authorization"), request.headers.get("x-api-key")
    owner = keys.owner(authorization, x_api_key)
    if owner is None:
        challenge = 'Bearer realm="midstream"' + (', error="invalid_token"' if authorization or x_api_key else "")
        raise ProblemError(
            401,
            "unauthorized",
            "An API key is needed",
            "Send one of the server's keys as `Authorization: Bearer <key>` or as `x-api-key: <key>`. Where both are "
            "sent, they must be of one owner.",
            headers={"WWW-Authenticate": challenge},
        )
    return owner


Owner = Annotated[str, Depends(_owner)]
