"""API keys that were made here: what one looks like, and what is known of it."""

import hashlib
import hmac
import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from typing import NamedTuple

from shared.access.scopes import Scope
from shared.config import value_checks

MAX_OWNER_CHARS = 200
ID_PREFIX = "key_"

_KEY = re.compile(r"ms_[a-z2-7]{32}")
_ID = re.compile(rf"{ID_PREFIX}[a-z2-7]{{16}}")
_DIGEST_CONTEXT = b"midstream key "
"""Before what is hashed, so that no other HMAC of the same secret is the digest of a key."""


class KeyName(NamedTuple):
    """Under which id a key is kept, and its digest; neither tells anything of the key without the secret."""

    id: str
    digest: str


class StoredKey(NamedTuple):
    """What is known of a key; the key itself is not."""

    id: str
    owner: str
    scopes: frozenset[Scope]
    created_ms: int
    expires_ms: int | None = None
    used_ms: int | None = None
    """When it was used last, up to a minute too early; None where it never was, or nobody asked."""


def new_key() -> str:
    """Returns a key that nobody has: 160 random bits."""
    return "ms_" + b32encode(secrets.token_bytes(20)).decode().lower()


def looks_like_key(text: str) -> bool:
    """Says whether a text has the shape of a key that is made here."""
    return _KEY.fullmatch(text) is not None


def looks_like_id(text: str) -> bool:
    """Says whether a text has the shape of a key's id."""
    return _ID.fullmatch(text) is not None


def name_of(key: str, secret: bytes) -> KeyName:
    """Returns under which name a key is kept: two parts of its HMAC."""
    digest = hmac.digest(secret, _DIGEST_CONTEXT + key.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return KeyName(ID_PREFIX + b32encode(digest[:10]).decode().lower(), digest[10:].hex())


def flaw_of_owner(owner: str) -> str | None:
    """Returns what is wrong with the name of an owner, as text to follow it; None where nothing is."""
    if flaw := value_checks.of_name(owner):
        return flaw
    if len(owner) > MAX_OWNER_CHARS:
        return f"must be {MAX_OWNER_CHARS} characters at most"
    return "must not be *, which stands for all owners" if owner == "*" else None


def read_key(key_id: str, fields: Mapping[bytes, bytes], used_ms: int | None = None) -> StoredKey | None:
    """Returns a key by what Redis has of it; None where that is nothing, or no key of ours.

    A scope that this version does not know is left out.
    """
    try:
        expires = fields.get(b"expires")
        words = fields[b"scopes"].decode().split(",")
        return StoredKey(
            id=key_id,
            owner=fields[b"owner"].decode(),
            scopes=frozenset(scope for scope in Scope if scope in words),
            created_ms=int(fields[b"created"]),
            expires_ms=None if expires is None else int(expires),
            used_ms=used_ms,
        )
    except (KeyError, ValueError):
        return None
