"""Who calls, and what they may: the answer to a credential."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from fastapi import Request
from starlette.types import Scope as AsgiScope

from shared.access.scopes import EVERYTHING, USUAL, Scope

__all__ = ["EVERYTHING", "LOCAL_OWNER", "USUAL", "Caller", "Credential", "Scope", "grant_of"]

LOCAL_OWNER = "local"


class Caller(NamedTuple):
    """Who calls."""

    owner: str
    scopes: frozenset[Scope] = USUAL
    grant: str = ""
    """Names what let it in and may be withdrawn, as `key:ID` or `session:ID`; empty where nothing can be. It is no
    secret. A stream that was opened with it is cut when it is."""
    generation: str | None = None
    """The one generation that it may see; None for all of its owner's."""
    expires: float | None = None
    """When what let it in ends by itself (Unix time, s), where that is known."""


def grant_of(scope: AsgiScope) -> str:
    """Returns the grant of who asks, by the request's ASGI scope; empty where nobody was asked who that is."""
    caller: Caller | None = scope.get("state", {}).get("caller")
    return "" if caller is None else caller.grant


class Credential(Protocol):
    """One way in which callers say who they are: keys, tokens, cookies."""

    async def caller(self, request: Request) -> Caller | None:
        """Returns who asks; None where the request has nothing of this kind.

        Raises ProblemError 401 where it has, and it is wrong or no longer good, and redis.exceptions.RedisError.
        """

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns those of the given grants that are of this kind and good no more, to cut who watches by them.

        Raises redis.exceptions.RedisError.
        """
