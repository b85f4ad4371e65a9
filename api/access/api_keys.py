"""API keys as Bearer tokens (RFC 6750): each names an owner; without keys everybody is `local`."""

import hashlib
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

    def owner(self, authorization: str | None) -> str | None:
        """Returns the owner of an `Authorization` header's key; None where it is not one of ours."""
        if not self._owners:
            return LOCAL_OWNER
        scheme, _, key = (authorization or "").partition(" ")
        return self._owners.get(_digest(key.strip())) if scheme.lower() == "bearer" else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def _owner(request: Request) -> str:
    keys: ApiKeys = request.app.state.keys
    authorization = request.headers.get("authorization")
    owner = keys.owner(authorization)
    if owner is None:
        challenge = 'Bearer realm="midstream"' + (', error="invalid_token"' if authorization else "")
        raise ProblemError(
            401,
            "unauthorized",
            "An API key is needed",
            "Send one of the server's keys as `Authorization: Bearer <key>`.",
            headers={"WWW-Authenticate": challenge},
        )
    return owner


Owner = Annotated[str, Depends(_owner)]
