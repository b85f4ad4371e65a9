"""The keys with which an identity provider signs its tokens (RFC 7517), fetched from its `jwks_uri` and kept."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec
from jwt import PyJWK, PyJWTError

from api.problems.problem import ProblemError
from shared.config.outbound import way_to
from shared.errors import MidstreamError

logger = logging.getLogger("midstream.api")

ALGORITHMS = ("RS256", "ES256")
KEPT_S = 600.0
"""Seconds for which fetched keys are used without a further look."""
STALE_S = 86_400.0
"""Seconds for which they are used where the issuer does not answer."""
UNKNOWN_S = 30.0
"""Seconds between two fetches because of a key that is not known, and between two tries of an issuer that is away."""
RETRY_S = 2.0
"""Seconds between two tries where there are no keys at all."""
FETCH_TIMEOUT_S = 5.0
MAX_BYTES = 256_000
MAX_KEYS = 100
MIN_RSA_BITS = 2048
"""Bits of the shortest RSA key that is taken (RFC 7518, 3.3)."""


class KeysUnavailableError(MidstreamError):
    """An identity provider's keys cannot be had; the text says why, and nothing of what came."""

    retryable = True


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key, for one algorithm."""

    id: str | None
    algorithm: str
    key: PyJWK


def issuer_away() -> ProblemError:
    """Returns the answer to a token where nobody knows the issuer's keys."""
    return ProblemError(
        503,
        "issuer_unavailable",
        "The issuer of the token cannot be asked",
        "Its keys could not be fetched, so that no token can be looked at. Send the request again later.",
        headers={"Retry-After": "2"},
    )


class IssuerKeys:
    """Keys of one issuer. However many requests come, one fetch is under way at most."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: Sequence[IssuerKey] = ()
        self._fetched_at = self._tried_at = self._unknown_at = float("-inf")
        self._fetch: asyncio.Task[None] | None = None

    async def named(self, algorithm: str, key_id: str | None) -> list[IssuerKey]:
        """Returns the keys of an algorithm with this id; all of them where a token names none.

        Raises ProblemError 503 where the issuer could not be asked at all.
        """
        tried_at = self._tried_at
        await self._refresh()
        found = self._of(algorithm, key_id)
        now = asyncio.get_running_loop().time()
        # One that has just been asked for this request would say the same again.
        if not found and self._tried_at == tried_at and now - self._unknown_at >= UNKNOWN_S:
            self._unknown_at = now
            await self._fetched()
            found = self._of(algorithm, key_id)
        elif not found and self._fetch is not None:
            await self._fetched()  # somebody else asks already
            found = self._of(algorithm, key_id)
        return found

    def _of(self, algorithm: str, key_id: str | None) -> list[IssuerKey]:
        return [one for one in self._keys if one.algorithm == algorithm and key_id in (None, one.id)]

    async def _refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        age = now - self._fetched_at
        if age >= KEPT_S and now - self._tried_at >= (RETRY_S if age >= STALE_S else UNKNOWN_S):
            await self._fetched()
        elif age >= STALE_S and self._fetch is not None:
            await self._fetched()  # the first one is under way
        if asyncio.get_running_loop().time() - self._fetched_at >= STALE_S:
            raise issuer_away()

    async def _fetched(self) -> None:
        """Waits for a fetch: the one that is under way, or a new one."""
        if self._fetch is None:
            self._tried_at = asyncio.get_running_loop().time()
            self._fetch = asyncio.create_task(self._fetch_all())
        await asyncio.shield(self._fetch)

    async def _fetch_all(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                self._keys = read_keys(await _body(self._url))
            self._fetched_at = asyncio.get_running_loop().time()
        except Exception as error:
            reason = str(error) if isinstance(error, KeysUnavailableError) else type(error).__name__
            logger.warning("the keys of `jwt_jwks_url` cannot be fetched: %s", reason)
        finally:
            self._fetch = None


async def _body(url: str) -> bytes:
    way = way_to(url)
    # No redirect is followed: where keys come from is the operator's to say.
    client = httpx2.AsyncClient(proxy=way.proxy, verify=way.certificates, trust_env=False, timeout=FETCH_TIMEOUT_S)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = bytearray()
    async with client, client.stream("GET", url, headers=headers) as response:
        if response.status_code != 200:
            raise KeysUnavailableError(f"status {response.status_code}")
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > MAX_BYTES:
                raise KeysUnavailableError(f"more than {MAX_BYTES} bytes")
    return bytes(body)


def read_keys(body: bytes) -> list[IssuerKey]:
    """Returns the keys of a set that can verify what we take; others are passed over. Raises KeysUnavailableError."""
    try:
        listed = msgspec.json.decode(body)["keys"]
        if not isinstance(listed, list):
            raise TypeError
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError):
        raise KeysUnavailableError("it is no JSON Web Key Set") from None
    found = [key for one in listed[:MAX_KEYS] if (key := _read(one)) is not None]
    if not found:
        raise KeysUnavailableError(f"it has no key for {' or '.join(ALGORITHMS)}")
    return found


def _read(fields: Any) -> IssuerKey | None:
    """Returns a key for signatures; None for any other."""
    if not isinstance(fields, dict) or fields.get("use", "sig") != "sig":
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(fields.get("kty")))
    if algorithm is None or fields.get("alg", algorithm) != algorithm:
        return None
    if algorithm == "ES256" and fields.get("crv") != "P-256":
        return None
    try:
        key = PyJWK(fields, algorithm)
    except (PyJWTError, ValueError, TypeError, OverflowError):
        return None
    if algorithm == "RS256" and getattr(key.key, "key_size", 0) < MIN_RSA_BITS:
        return None
    id = fields.get("kid")
    return IssuerKey(id if isinstance(id, str) else None, algorithm, key)
