"""The demo: streams that are reset, a worker that is killed; and nothing of it where nobody has asked for it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from shared.storage.keys import LEASES_KEY
from tests.api.access.signed_in import ANN, bearer, make_key
from tests.api.exchange.dialect_posts import CHAT
from tests.api.harness import Api, MakeApi, Producer, until
from tests.api.viewing.conversation.following import ADDRESS, begin

ROUTES = ("/demo/cut", "/demo/kill")


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[socket.socket]:
    """Where whoever started it hears what is to be killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "demo"))
        heard.setblocking(False)
        yield heard


def show(api: Api, asked: socket.socket) -> None:
    """Make it one that shows what it survives."""
    services = api.app.state.services
    api.app.state.services = replace(services, demo=asked.getsockname())


@contextlib.asynccontextmanager
async def streams(api: Api, generation_id: str) -> AsyncIterator[list[tuple[asyncio.StreamReader, bytes]]]:
    """Connections that follow a generation, its conversation, and answer a request."""
    body = b'{"model": "simulator/lorem", "messages": [{"role": "user", "content": "Go."}], "stream": true}'
    post = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    asking = [
        b"GET /v1/generations/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % generation_id.encode(),
        b"GET /v1/generations/%b/events HTTP/1.0\r\n\r\n" % generation_id.encode(),
        b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % ADDRESS.encode(),
        post % (CHAT.path.encode(), len(body), body),
    ]
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for words in asking:
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            stack.callback(writer.close)
            writer.write(words)
            opened.append((reader, await reader.readuntil(b"\r\n\r\n")))
        yield opened


async def test_each_stream_is_reset(api: Api, asked: socket.socket) -> None:
    show(api, asked)
    producer = await begin(api)
    await producer.say("a")
    async with streams(api, producer.generation_id) as opened:
        await until(lambda: len(api.hub.viewers) == len(opened), "the viewers to be there")
        assert (await api.client.post("/demo/cut")).status_code == 204
        for reader, head in opened:
            assert b" 200 " in head
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert not api.hub.viewers
    # What was cut goes on: nothing is lost.
    await producer.complete()
    assert [message.event for message in await api.events(producer.generation_id)][-1] == "completed"


async def test_who_runs_something_is_killed(api: Api, asked: socket.socket, redis_url: str) -> None:
    show(api, asked)
    await Producer.start(api.log, await api.post())
    for named, pid in ((None, 0), ("strange", 0), ("a:host:4711:0a1b2c3d", 4711)):
        with Redis.from_url(redis_url) as redis:
            if named is not None:
                redis.hset(LEASES_KEY, "gen_x", named)
        assert (await api.client.post("/demo/kill")).status_code == 204
        assert asked.recv(100) == b"KILL=%d" % pid


async def test_a_starter_that_is_gone_is_no_error(api: Api, asked: socket.socket) -> None:
    show(api, asked)
    asked.close()
    assert (await api.client.post("/demo/kill")).status_code == 204


@pytest.mark.parametrize("route", ROUTES)
async def test_elsewhere_there_is_no_demo(api: Api, route: str) -> None:
    producer = await begin(api)
    await producer.say("a")
    async with api.view(producer.generation_id) as viewing:
        answer = await api.client.post(route)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
        await producer.complete()
        assert (await viewing.rest())[-1].event == "completed"


@pytest.mark.parametrize("route", ROUTES)
async def test_a_page_of_another_site_may_not(api: Api, asked: socket.socket, route: str) -> None:
    show(api, asked)
    answer = await api.client.post(route, headers={"Origin": "http://example.org"})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    with pytest.raises(BlockingIOError):
        asked.recv(100)


@pytest.mark.parametrize("route", ROUTES)
async def test_where_callers_have_keys_one_is_needed(
    make_api: MakeApi, redis_url: str, asked: socket.socket, route: str
) -> None:
    from shared.access.scopes import Scope

    api = await make_api(redis_url, api_keys=f"ann:{ANN}", keys="redis")
    show(api, asked)
    reader = bearer((await make_key(api, scopes=frozenset({Scope.READ}))).key)

    async def status(headers: dict[str, str]) -> int:
        answer: httpx2.Response = await api.client.post(route, headers=headers)
        return answer.status_code

    assert [await status(headers) for headers in ({}, bearer("wrong-0123456789ab"), reader)] == [401, 401, 403]
    with pytest.raises(BlockingIOError):
        asked.recv(100)
    assert await status(bearer(ANN)) == 204


async def test_the_page_knows(api: Api, asked: socket.socket) -> None:
    plain = await api.client.get("/")
    show(api, asked)
    for address in ("/", "/c/x", "/g/gen_x"):
        page = await api.client.get(address, headers={"If-None-Match": plain.headers["etag"]})
        assert page.status_code == 200
        assert page.text.replace("<body data-demo", "<body") == plain.text != page.text
