"""Every route, asked by everybody: what each gets is in one table, and a route that is not in it fails.

A refusal never has a word of the generation, and no answer may be kept on its way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from starlette.routing import BaseRoute, Route

from api.app import create_app
from api.dialects.names import name_of
from shared.access.scopes import Scope
from shared.config.settings import load
from tests.api.access.signed_in import (
    ANN,
    BOB,
    bearer,
    conversation_token,
    make_key,
    session,
    share,
    store,
    token,
    two_nodes,
)
from tests.api.exchange.dialect_posts import CHAT, MESSAGES, RESPONSES
from tests.api.harness import BODY, Api, MakeApi, Producer

CANARY = "CANARY"
ASKED = BODY | {
    "messages": [{"role": "user", "content": f"{CANARY}-PROMPT"}],
    "metadata": {"note": f"{CANARY}-METADATA"},
}
STREAMED = {"stream": True}
CHATTED = {"id": "chat", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "Go."}]}]}
DIALECTS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
"""Paths whose errors have an envelope of their own."""
CONVERSATION_EVENTS = "/v1/conversations/{id}/events"
CHATS = "/api/chat"
"""A path whose errors are sentences."""

NOBODY = dict.fromkeys(
    ("nobody", "wrong key", "revoked key", "expired key", "ended session", "token", "other token", "link"), 401
)
"""Who is not let in: a token and a link stand in the address, where only few routes take them."""
READ_ONE = NOBODY | {"owner": 200, "other owner": 404, "reader": 200, "asker": 403, "session": 200}
READ_OWN = READ_ONE | {"other owner": 200}
WATCH = READ_ONE | {"token": 200}
WATCH_CHAT = READ_ONE | dict.fromkeys(("owner", "other owner", "reader", "session"), 204)
"""Nothing runs, in a chat of one's own or another's."""
ASK = NOBODY | {"owner": 200, "other owner": 200, "reader": 403, "asker": 200, "session": 200}
ACCEPT = ASK | dict.fromkeys(("owner", "other owner", "asker", "session"), 202)
CHANGE = NOBODY | {"owner": 200, "other owner": 404, "reader": 403, "asker": 200, "session": 200}
REMOVE = CHANGE | dict.fromkeys(("owner", "asker", "session"), 204)
SHARE = CHANGE | {"owner": 201, "asker": 403, "session": 201}
TOKEN = READ_ONE | dict.fromkeys(("owner", "reader", "session"), 201)
NOT_THERE = NOBODY | {"owner": 404, "other owner": 404, "reader": 403, "asker": 404, "session": 404}
ADMIN = NOBODY | dict.fromkeys(("owner", "other owner", "reader", "asker", "session"), 403) | {"admin": 200}
BEGIN = NOBODY | {"owner": 201, "other owner": 201, "reader": 201, "asker": 201, "session": 401}
ALL = dict.fromkeys(READ_ONE, 200)
LEAVE = dict.fromkeys(READ_ONE, 204)
NO_DEMO = dict.fromkeys(READ_ONE, 404)
"""Only `midstream up` shows a demo."""


class Row(NamedTuple):
    """What a route answers to each caller, and how it is asked."""

    statuses: Mapping[str, int]
    """An admin of the same owner is answered as that, where nothing else is said."""
    body: Mapping[str, Any] | None = None
    query: str = ""


TABLE: dict[tuple[str, str], list[Row]] = {
    ("POST", "/v1/generations"): [Row(ACCEPT, ASKED), Row(ASK, ASKED | STREAMED)],
    ("GET", "/v1/generations"): [Row(READ_OWN)],
    ("GET", "/v1/generations/{id}"): [Row(READ_ONE), Row(READ_ONE, query="include=raw")],
    ("DELETE", "/v1/generations/{id}"): [Row(REMOVE)],
    ("POST", "/v1/generations/{id}/cancel"): [Row(CHANGE)],
    ("GET", "/v1/generations/{id}/events"): [Row(WATCH)],
    ("POST", "/v1/generations/{id}/token"): [Row(TOKEN)],
    ("POST", "/v1/generations/{id}/share"): [Row(SHARE)],
    ("DELETE", "/v1/generations/{id}/share/{share_id}"): [Row(REMOVE)],
    ("GET", "/v1/conversations"): [Row(READ_OWN)],
    ("GET", "/v1/conversations/{id}"): [Row(READ_ONE)],
    ("PATCH", "/v1/conversations/{id}"): [Row(CHANGE, {"title": "New"})],
    ("DELETE", "/v1/conversations/{id}"): [Row(REMOVE)],
    ("GET", CONVERSATION_EVENTS): [Row(WATCH)],
    ("POST", "/v1/conversations/{id}/token"): [Row(TOKEN)],
    ("GET", "/s/{secret}"): [Row(ALL)],
    ("GET", "/s/{secret}/events"): [Row(ALL)],
    ("POST", "/v1/session"): [Row(BEGIN)],
    ("DELETE", "/v1/session"): [Row(LEAVE)],
    ("POST", "/v1/chat/completions"): [Row(ASK, CHAT.body | STREAMED)],
    ("GET", "/v1/chat/completions/{name}"): [Row(READ_ONE), Row(READ_ONE, query="stream=true")],
    ("POST", "/v1/responses"): [Row(ASK, RESPONSES.body | STREAMED)],
    ("GET", "/v1/responses/{name}"): [Row(READ_ONE), Row(READ_ONE, query="stream=true")],
    ("GET", "/v1/responses/{name}/input_items"): [Row(READ_ONE)],
    ("POST", "/v1/responses/{name}/cancel"): [Row(CHANGE)],
    ("DELETE", "/v1/responses/{name}"): [Row(CHANGE)],
    ("POST", "/v1/messages"): [Row(ASK, MESSAGES.body | STREAMED)],
    ("GET", "/v1/messages/{name}"): [Row(READ_ONE), Row(READ_ONE, query="stream=true")],
    ("POST", "/v1/messages/count_tokens"): [Row(NOT_THERE, MESSAGES.body)],
    ("POST", "/api/chat"): [Row(ASK, CHATTED)],
    ("GET", "/api/chat/{id:path}/stream"): [
        Row(WATCH_CHAT),
        Row(WATCH_CHAT | dict.fromkeys(("owner", "reader", "session"), 200), query="ended=true"),
    ],
    ("POST", "/api/chat/{id:path}/stop"): [Row(REMOVE | {"other owner": 204})],
    ("GET", "/v1/models"): [Row(READ_OWN)],
    ("GET", "/v1/models/{id:model}"): [Row(READ_OWN)],
    ("GET", "/v1/usage"): [Row(READ_OWN)],
    ("GET", "/v1/status"): [Row(ADMIN)],
    **{("GET", path): [Row(ALL)] for path in ("/livez", "/readyz", "/openapi.json")},
    **{("GET", path): [Row(ALL)] for path in ("/", "/c/{conversation:path}", "/g/{id}", "/assets/{name:path}")},
    **{("POST", path): [Row(NO_DEMO)] for path in ("/demo/cut", "/demo/kill")},
}
"""What answers GET answers HEAD alike, but for what nobody asks so."""
WITHOUT_HEAD = {"/v1/responses/{name}/input_items"}


def expected() -> Iterator[tuple[str, str]]:
    for method, path in TABLE:
        yield method, path
        if method == "GET" and path not in WITHOUT_HEAD:
            yield "HEAD", path


def leaves(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """All routes, also those of included routers; of anything else that can route, such as a mount, none is known."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        else:
            included: Any = route
            yield from leaves(included.original_router.routes)


def test_each_route_is_in_the_table() -> None:
    routes = leaves(create_app(load(api_keys=f"ann:{ANN}")).routes)
    assert {(method, route.path) for route in routes for method in route.methods or ()} == set(expected())


class World:
    """An API with a generation of Ann's that has spoken, and everybody who may ask for it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.generation_id = self.other_id = self.conversation = self.other_conversation = ""
        self.path = ""
        """What is asked for."""
        self.link: dict[str, str] = {}
        self.callers: dict[str, Callable[[], Awaitable[tuple[dict[str, str], str]]]] = {
            "owner": self._with(bearer(ANN)),
            "other owner": self._with(bearer(BOB)),
            "nobody": self._with({}),
            "wrong key": self._with(bearer("wrong-0123456789ab")),
            "revoked key": self._revoked,
            "expired key": self._expired,
            "reader": lambda: self._stored({Scope.READ}),
            "asker": lambda: self._stored({Scope.GENERATE}),
            "admin": lambda: self._stored({*Scope}),
            "session": self._session,
            "ended session": self._ended,
            "token": lambda: self._token(self.generation_id, self.conversation),
            "other token": lambda: self._token(self.other_id, self.other_conversation),
            "link": self._linked,
        }

    async def renew(self) -> None:
        """A generation, in a conversation of its own, for a request that may end it."""
        self.conversation = secrets.token_hex(8)
        asked = ASKED | {"conversation": self.conversation}
        producer = await Producer.start(self.api.log, await self.api.post(asked, bearer(ANN)))
        await producer.say(f"{CANARY}-ANSWER")
        await producer.complete()
        self.generation_id = producer.generation_id
        self.link = await share(self.api, self.generation_id, bearer(ANN))

    def address(self, path: str) -> str:
        prefix = next((one.prefix for one in (CHAT, RESPONSES, MESSAGES) if path.startswith(one.path)), "gen_")
        return (
            path.replace("{id:model}", "simulator/lorem")
            .replace("{conversation:path}", self.conversation)
            .replace("{name:path}", "icon.svg")
            .replace("{id:path}", self.conversation)
            .replace("{id}", self.conversation if path.startswith("/v1/conversations") else self.generation_id)
            .replace("{name}", name_of(prefix, self.generation_id))
            .replace("{share_id}", self.link["id"])
            .replace("{secret}", self.link["path"].removeprefix("/s/"))
        )

    def _with(self, headers: dict[str, str], query: str = "") -> Callable[[], Awaitable[tuple[dict[str, str], str]]]:
        async def same() -> tuple[dict[str, str], str]:
            return headers, query

        return same

    async def _stored(self, scopes: set[Scope]) -> tuple[dict[str, str], str]:
        return bearer((await make_key(self.api, scopes=frozenset(scopes))).key), ""

    async def _revoked(self) -> tuple[dict[str, str], str]:
        key = await make_key(self.api)
        await store(self.api).revoke(key.stored.id)
        return bearer(key.key), ""

    async def _expired(self) -> tuple[dict[str, str], str]:
        key = await make_key(self.api, lasts_ms=1)
        while not await store(self.api).ended([key.stored.id]):
            await asyncio.sleep(0.001)
        return bearer(key.key), ""

    async def _session(self) -> tuple[dict[str, str], str]:
        return await session(self.api), ""

    async def _ended(self) -> tuple[dict[str, str], str]:
        cookie = await session(self.api)
        await self.api.client.delete("/v1/session", headers=cookie)
        return cookie, ""

    async def _token(self, generation_id: str, conversation: str) -> tuple[dict[str, str], str]:
        """One for what is asked for, where that is a conversation's."""
        if self.path.startswith("/v1/conversations"):
            return {}, "token=" + await conversation_token(self.api, conversation, bearer(ANN))
        return {}, "token=" + await token(self.api, generation_id, bearer(ANN))

    async def _linked(self) -> tuple[dict[str, str], str]:
        return {}, "token=" + self.link["path"].removeprefix("/s/")


@pytest.fixture
async def world(make_api: MakeApi, redis_url: str) -> World:
    api, _ = await two_nodes(make_api, redis_url)
    made = World(api)
    await made.renew()
    made.other_id, made.other_conversation = made.generation_id, made.conversation
    await made.renew()
    return made


@pytest.mark.parametrize(("method", "path"), sorted(expected()), ids=lambda value: value)
async def test_everybody_gets_what_the_table_says(world: World, method: str, path: str) -> None:
    wrong = []
    world.path = path
    for row in TABLE["GET" if method == "HEAD" else method, path]:
        statuses = {"admin": row.statuses["owner"], **row.statuses}
        assert statuses.keys() == world.callers.keys()
        for caller, status in statuses.items():
            if method in ("POST", "PATCH", "DELETE"):
                await world.renew()
            headers, query = await world.callers[caller]()
            got, body, told = await _asked(world, method, path, row, headers, query)
            if got != status:
                wrong.append(f"{caller}: {got} and not {status}")
            if status >= 400 or caller == "other owner":
                assert CANARY.encode() not in body or path.startswith("/s/"), caller
            _judge_headers(told, path, got)
            if got >= 400 and method != "HEAD":
                assert told["content-type"] == _envelope(path)
    assert wrong == []


def _envelope(path: str) -> str:
    if path.startswith(CHATS):
        return "text/plain; charset=utf-8"
    return "application/json" if path.startswith(DIALECTS) else "application/problem+json"


async def _asked(
    world: World, method: str, path: str, row: Row, headers: dict[str, str], query: str
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, what of the body comes at once, and headers."""
    address = f"{world.address(path)}?{'&'.join(filter(None, (row.query, query)))}"
    async with world.api.client.stream(method, address, headers=headers, json=row.body) as response:
        body = b""
        endless = row.body is not None or path == CONVERSATION_EVENTS  # what was asked now is answered by no worker
        if endless and response.is_success:
            body = await anext(response.aiter_raw(), b"")
        else:
            body = await response.aread()
        return response.status_code, body, response.headers


def _judge_headers(told: Mapping[str, str], path: str, status: int) -> None:
    assert told["referrer-policy"] == "no-referrer"
    assert told["x-content-type-options"] == "nosniff"
    assert told["cross-origin-resource-policy"] == "same-origin"
    if path.startswith(("/v1/", "/s/", "/api/")):
        assert told["cache-control"].split(",")[0] == "no-store", (path, status)


async def test_a_canary_is_seen_by_its_owner(world: World) -> None:
    """Else the others would prove nothing."""
    paths = ("/v1/generations/{id}", "/v1/conversations", "/v1/conversations/{id}")
    for path in (*paths, "/v1/responses/{name}", "/v1/responses/{name}/input_items", "/s/{secret}"):
        answer = await world.api.client.get(world.address(path), headers=bearer(ANN))
        assert CANARY in answer.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE"])
async def test_what_no_route_knows_is_told_the_methods(world: World, method: str) -> None:
    for path in {path for _, path in TABLE if (method, path) not in TABLE}:
        answer = await world.api.client.request(method, world.address(path))
        assert answer.status_code == 405
        allowed = {one for one, of in expected() if of == path}
        assert allowed <= set(answer.headers["allow"].split(", "))
        _judge_headers(answer.headers, path, 405)
