"""An identity provider: real RSA and EC keys, a JWKS over HTTP that counts who asks, and tokens of any kind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.harness.ports import free_port

ISSUER = "https://issuer.test/"
AUDIENCE = "midstream"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[curve]())


def public(key: Any, kid: str | None = None, **fields: Any) -> dict[str, Any]:
    """A key as a JWKS has it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return {name: value for name, value in (found | {"kid": kid, "use": "sig"} | fields).items() if value is not None}


def pem(key: Any) -> bytes:
    """The public key as everybody has it."""
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text


def claims(**more: Any) -> dict[str, Any]:
    """What a good token claims; None leaves a claim out."""
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300}
    return {name: value for name, value in (usual | more).items() if value is not None}


def token(key: Any, kid: str | None = None, *, algorithm: str | None = None, **more: Any) -> str:
    """A token that this key has signed."""
    usual = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**more), key, algorithm=algorithm or usual, headers=headers)


class Issuer:
    """The server of a JWKS. A test says what it answers."""

    def __init__(self) -> None:
        self.port = free_port()
        self.keys: list[Any] = []
        self.body: bytes | None = None
        self.status = 200
        self.headers = ""
        self.slow_s = 0.0
        self.fetches = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.fetches += 1
            await asyncio.sleep(self.slow_s)
            body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
            writer.write(
                f"HTTP/1.1 {self.status} Told\r\nContent-Type: application/json\r\nConnection: close\r\n{self.headers}"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
            )
            writer.write(body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def issuing(*keys: dict[str, Any]) -> AsyncIterator[Issuer]:
    """An issuer with these keys."""
    issuer = Issuer()
    issuer.keys = list(keys)
    await issuer.start()
    try:
        yield issuer
    finally:
        await issuer.stop()
