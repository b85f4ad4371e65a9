"""The callers of this server: each request is asked for every credential, in turn."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import Depends, Request
from redis.exceptions import RedisError

from api.access.browser_guard import READING_METHODS
from api.access.caller import EVERYTHING, LOCAL_OWNER, Caller, Credential, Scope
from api.problems.problem import ProblemError

ENDED_TIMEOUT_S = 2.0
"""Seconds in which a credential must say which grants have ended."""


class Callers:
    """Who calls, by the first credential that a request has; where none is asked for, everybody is `local`."""

    def __init__(self, credentials: Sequence[Credential], *, open_to_all: bool) -> None:
        self._credentials = credentials
        self._open_to_all = open_to_all

    @property
    def known(self) -> bool:
        """Says whether callers must say who they are."""
        return not self._open_to_all

    async def caller(self, request: Request) -> Caller:
        """Returns who asks. Raises ProblemError 401, and redis.exceptions.RedisError."""
        for credential in self._credentials:
            if (caller := await credential.caller(request)) is not None:
                return caller
        if self._open_to_all:
            return Caller(LOCAL_OWNER, EVERYTHING)
        raise unauthorized()

    async def ended(self, grants: Collection[str]) -> set[str]:
        """Returns those of the given grants that are good no more; what cannot be asked now is taken for good."""
        answers = await asyncio.gather(*(_ended(credential, grants) for credential in self._credentials))
        return {grant for answer in answers for grant in answer}


async def _ended(credential: Credential, grants: Collection[str]) -> Collection[str]:
    try:
        async with asyncio.timeout(ENDED_TIMEOUT_S):
            return await credential.ended(grants)
    except (RedisError, TimeoutError):
        return ()


def unauthorized(*, invalid: bool = False) -> ProblemError:
    """Returns the answer to who has no credential, or with `invalid` a wrong one (RFC 6750, 3.1)."""
    return ProblemError(
        401,
        "unauthorized",
        "An API key is needed",
        "Send one of the server's keys as `Authorization: Bearer <key>` or as `x-api-key: <key>`. Where both are "
        "sent, they must be of one owner.",
        headers={"WWW-Authenticate": 'Bearer realm="midstream"' + (', error="invalid_token"' if invalid else "")},
    )


def refused(title: str, detail: str) -> ProblemError:
    """Returns the answer to who has something else than a key, and it is not good, or no longer."""
    headers = {"WWW-Authenticate": 'Bearer realm="midstream", error="invalid_token"'}
    return ProblemError(401, "unauthorized", title, detail, headers=headers)


def forbidden(scope: Scope) -> ProblemError:
    """Returns the answer to who may not do that."""
    return ProblemError(
        403,
        "insufficient_scope",
        "The key does not allow that",
        f"It needs the scope `{scope}`. Use a key that has it, or have the operator make one.",
        headers={"WWW-Authenticate": f'Bearer realm="midstream", error="insufficient_scope", scope="{scope}"'},
    )


async def caller_of(request: Request) -> Caller:
    """Returns who asks, once for each request. Raises ProblemError 401, and redis.exceptions.RedisError."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        callers: Callers = request.app.state.callers
        known = request.state.caller = await callers.caller(request)
    return known


async def owner_of(request: Request) -> str:
    """Returns the owner who asks: to read where the method changes nothing, else to generate.

    Raises ProblemError 401 and 403, and redis.exceptions.RedisError.
    """
    scope = Scope.READ if request.method in READING_METHODS else Scope.GENERATE
    return (await _caller_with(request, scope)).owner


async def reader_of(request: Request) -> Caller:
    """Returns who asks, and may read. Raises ProblemError 401 and 403, and redis.exceptions.RedisError."""
    return await _caller_with(request, Scope.READ)


async def _reader(request: Request) -> str:
    return (await reader_of(request)).owner


async def _caller_with(request: Request, scope: Scope) -> Caller:
    caller = await caller_of(request)
    require(caller, scope)
    return caller


def require(caller: Caller, scope: Scope) -> None:
    """Raises ProblemError 403 where a caller has not this scope."""
    if scope not in caller.scopes:
        raise forbidden(scope)


async def _admin(request: Request) -> Caller:
    return await _caller_with(request, Scope.ADMIN)


Asking = Annotated[Caller, Depends(caller_of)]
"""Who asks, whatever it may."""
Owner = Annotated[str, Depends(owner_of)]
"""The owner who asks: to read where the method changes nothing, else to generate."""
Reader = Annotated[str, Depends(_reader)]
"""The owner who asks: to read, whatever the method."""
Admin = Annotated[Caller, Depends(_admin)]
"""Who asks, and may see what is all owners'."""
