"""Keys, sessions, tokens and links as a client gets them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.access.key_store import KeyStore, NewKey
from shared.access.scopes import USUAL, Scope
from tests.api.harness import Api, MakeApi

ANN, BOB = "ann-0123456789abcdef", "bob-0123456789abcdef"
API_KEYS = f"ann:{ANN},bob:{BOB}"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def make_key(
    api: Api, owner: str = "ann", scopes: frozenset[Scope] = USUAL, lasts_ms: int | None = None
) -> NewKey:
    """A stored key; the API must have `keys="redis"`."""
    return await store(api).create(owner, scopes, lasts_ms)


def store(api: Api) -> KeyStore:
    return KeyStore(api.generations.queue.redis, api.generations.secret)


async def two_nodes(make_api: MakeApi, redis_url: str, **settings: Any) -> tuple[Api, Api]:
    """Two API nodes on one Redis, with keys in the settings and in Redis."""
    fields: dict[str, Any] = {"api_keys": API_KEYS, "keys": "redis"} | settings
    return await make_api(redis_url, **fields), await make_api(redis_url, **fields)


async def session(api: Api, key: str = ANN) -> dict[str, str]:
    """A session's cookie, as a browser sends it."""
    answer = await api.client.post("/v1/session", headers=bearer(key))
    assert answer.status_code == 201, answer.text
    name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
    api.client.cookies.clear()  # it would send it by itself
    return {"Cookie": f"{name}={value}"}


async def token(api: Api, generation_id: str, headers: dict[str, str], **body: Any) -> str:
    """A token for a generation's events."""
    answer = await api.client.post(f"/v1/generations/{generation_id}/token", headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["token"]
    return made


async def conversation_token(api: Api, conversation: str, headers: dict[str, str], **body: Any) -> str:
    """A token for a conversation's events."""
    address = f"/v1/conversations/{quote(conversation, safe='')}/token"
    answer = await api.client.post(address, headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["token"]
    return made


async def share(api: Api, generation_id: str, headers: dict[str, str], **body: Any) -> dict[str, str]:
    """A link to a generation: its `id`, and its `path` without the root."""
    answer = await api.client.post(f"/v1/generations/{generation_id}/share", headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made | {"path": "/s/" + made["url"].rpartition("/")[2]}
