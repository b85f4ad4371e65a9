"""A grant that has ended ends what was opened by it, in every dialect, and never so that it looks like an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import httpx2
import pytest
from fastapi import Request
from redis.exceptions import ConnectionError

from api.access.caller import Caller
from api.access.callers import Callers, unauthorized
from api.revocation import Revocation
from tests.api.exchange.dialect_posts import CHAT, MESSAGES, RESPONSES, Spoken
from tests.api.exchange.dialect_posts import asking as asked
from tests.api.harness import BODY, Api, Producer, until

NATIVE = Spoken("/v1/generations", "gen_", BODY)


class Grants:
    """A credential: the grant stands in a header, until it has ended."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.is_away = False

    async def caller(self, request: Request) -> Caller | None:
        grant = request.headers["x-grant"]
        if grant in self.over:
            raise unauthorized(invalid=True)
        return Caller("ann", grant=grant)

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        if self.is_away:
            raise ConnectionError
        return self.over & set(grants)


@pytest.fixture
def grants(api: Api) -> Grants:
    """What lets callers into the API."""
    found = Grants()
    api.app.state.callers = Callers([found], open_to_all=False)
    return found


@pytest.fixture(params=["direct", "asgi"], autouse=True)
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_TRANSPORT", request.param)


async def begun(api: Api, grant: str) -> Producer:
    """A generation that has said something."""
    producer = await Producer.start(api.log, await api.post(headers={"x-grant": grant}))
    await producer.say("one ")
    return producer


async def test_viewers_of_a_grant_that_ended_are_cut_and_others_go_on(api: Api, grants: Grants) -> None:
    producer = await begun(api, "key:a")
    async with (
        api.view(producer.generation_id, **{"x-grant": "key:a"}) as first,
        api.view(producer.generation_id, **{"x-grant": "key:b"}) as second,
    ):
        for viewing in (first, second):
            assert [message.event for message in await viewing.take(3)] == ["attempt", "part", "delta"]
        grants.over.add("key:a")
        with pytest.raises(httpx2.HTTPError):  # no clean end, which would be the answer's
            await first.rest()
        refused = await api.client.get(first.response.request.url.path, headers={"x-grant": "key:a"})
        assert refused.status_code == 401
        await producer.complete()
        assert [message.event for message in await second.rest()] == ["part_end", "completed"]
    await until(lambda: not api.hub.granted.grants, "nothing to be open")


@pytest.mark.parametrize("spoken", [CHAT, RESPONSES, MESSAGES], ids=lambda spoken: spoken.path)
async def test_a_post_that_streams_is_cut_without_its_end(api: Api, grants: Grants, spoken: Spoken) -> None:
    async with asked(api, spoken, **{"x-grant": "key:a"}) as stream:
        producer = await Producer.start(api.log, stream.id)
        await producer.say("one ")
        await stream.until(b"one ")
        grants.over.add("key:a")
        with pytest.raises(httpx2.HTTPError):
            await stream.rest()
        assert b"[DONE]" not in stream.raw
        assert b"message_stop" not in stream.raw


@pytest.mark.parametrize("spoken", [NATIVE, CHAT, RESPONSES, MESSAGES], ids=lambda spoken: spoken.path)
async def test_who_waits_for_an_answer_is_told_401(api: Api, grants: Grants, spoken: Spoken) -> None:
    body = spoken.body | {"stream": False}
    waiting = asyncio.create_task(api.client.post(spoken.path, json=body, headers={"x-grant": "key:a"}))
    await until(lambda: api.hub.granted.grants, "the wait")
    grants.over.add("key:a")
    assert (await waiting).status_code == 401
    await until(lambda: not api.hub.granted.grants, "nothing to be open")


async def test_nobody_is_cut_while_it_cannot_be_asked(api: Api, grants: Grants) -> None:
    producer = await begun(api, "key:a")
    async with api.view(producer.generation_id, **{"x-grant": "key:a"}) as viewing:
        await viewing.take(3)
        grants.over.add("key:a")
        grants.is_away = True
        look = Revocation(api.hub, api.app.state.callers.ended).look
        await look()
        await producer.say("two ")
        assert (await viewing.next()).event == "delta"
        grants.is_away = False
        await look()
        with pytest.raises(httpx2.HTTPError):
            await viewing.rest()


async def test_without_chunks_the_connection_is_reset(api: Api, grants: Grants) -> None:
    """HTTP/1.0 has an answer end with its connection, so that a clean end would be the answer's."""
    producer = await begun(api, "key:a")
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET /v1/generations/%b/events HTTP/1.0\r\nx-grant: key:a\r\n\r\n" % producer.generation_id.encode())
    try:
        await reader.readuntil(b"one ")
        grants.over.add("key:a")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
