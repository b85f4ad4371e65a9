"""Tokens in an address: an EventSource sends no header, and comes back with the address that it began with.

A token is good for the events of one generation, or of one conversation, to read them, and nothing is stored of it: it
holds what it says, and an HMAC of that. It ends at its time, and with the key or session with which it was asked for.
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from math import ceil
from typing import NamedTuple

import msgspec
from fastapi import Request

from api.access.browser_guard import READING_METHODS
from api.access.caller import Caller, Scope
from api.access.callers import refused
from api.access.settings_grants import Secret
from api.encoded_paths import decoded, path_as_it_came

PARAMETER = "token"
PREFIX = "token:"
MAC_BYTES = 20

Ended = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Returns those of some grants that have ended (`Callers.ended`)."""


class _Kind(NamedTuple):
    """What a token may be for."""

    path: str
    """Before the id, in the address of its events."""
    salt: bytes
    """A word of its own for the HMAC: others are made with this secret, too, and a token is of one kind only."""
    name: str


GENERATION = _Kind("/v1/generations/", b"event token\n", "generation")
CONVERSATION = _Kind("/v1/conversations/", b"conversation token\n", "conversation")


class _Told(msgspec.Struct, array_like=True):
    """What a token says."""

    id: str
    """Of the generation or the conversation."""
    owner: str
    grant: str
    expires: float
    """Unix time (s)."""


class EventTokens:
    """Makes tokens, and knows them again. Methods raise redis.exceptions.RedisError."""

    def __init__(self, secret: Secret, ended: Ended, *, open_to_all: bool) -> None:
        self._secret = secret
        self._ended = ended
        self._open_to_all = open_to_all

    async def make(self, id: str, owner: str, grant: str, expires: float, kind: _Kind = GENERATION) -> str:
        """Returns a token for the events of a generation, or of a conversation."""
        told = msgspec.json.encode(_Told(id, owner, grant, expires))
        return urlsafe_b64encode(told + await self._mac(told, kind)).rstrip(b"=").decode()

    async def caller(self, request: Request) -> Caller | None:
        """Returns whose token the address has; None where it has none, or is not that of events.

        Raises ProblemError 401.
        """
        if self._open_to_all or request.method not in READING_METHODS:
            return None
        token = request.query_params.get(PARAMETER)
        if token is None:
            return None
        kind = _kind_of(request)
        if kind is None:
            return None
        told = await self._read(token, kind)
        if (
            told is None
            or told.id != decoded(request.path_params["id"])
            or told.expires <= time.time()
            or await self._ended([told.grant])
        ):
            raise refused(
                "The token is not good here",
                f"It is of another {kind.name}, has expired, or was withdrawn with what it was asked for with. Ask for "
                f"another with POST {kind.path}ID/token.",
            )
        only = told.id if kind is GENERATION else None
        # Its time is a part of the grant: a conversation's stream would else go on after it, as it has no end.
        grant = f"{PREFIX}{ceil(told.expires)}:{told.grant}"
        return Caller(told.owner, frozenset({Scope.READ}), grant, only, told.expires)

    async def _read(self, token: str, kind: _Kind) -> _Told | None:
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        told, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not hmac.compare_digest(mac, await self._mac(told, kind)):
            return None
        return msgspec.json.decode(told, type=_Told)

    async def _mac(self, told: bytes, kind: _Kind) -> bytes:
        return hmac.digest(await self._secret(), kind.salt + told, hashlib.sha256)[:MAC_BYTES]

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns the tokens among these grants that are over, by themselves or with what they were asked for with."""
        now = time.time()
        asked_with = {grant: _split(grant) for grant in grants if grant.startswith(PREFIX)}
        over = await self._ended({with_what for _, with_what in asked_with.values()}) if asked_with else ()
        return [grant for grant, (end, with_what) in asked_with.items() if end <= now or with_what in over]


def _split(grant: str) -> tuple[int, str]:
    """Returns when a token ends, and the grant with which it was asked for."""
    end, _, with_what = grant.removeprefix(PREFIX).partition(":")
    return int(end), with_what


def _kind_of(request: Request) -> _Kind | None:
    """Returns of what events are asked for; None where a request asks for something else."""
    id, paths = request.path_params.get("id", ""), (request.url.path, path_as_it_came(request.scope))
    return next((kind for kind in (GENERATION, CONVERSATION) if f"{kind.path}{id}/events" in paths), None)
