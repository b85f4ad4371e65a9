"""What following a conversation comes to: a stream, or a refusal; and a stream where Redis cannot say which."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from api.routes import conversation_events
from midstream.processes.valkey import Valkey
from tests.api.access.signed_in import ANN, BOB, bearer, conversation_token, session, two_nodes
from tests.api.harness import BODY, Api, MakeApi, Producer, Viewing
from tests.api.viewing.conversation.following import ADDRESS, CHAT, at, ended, follow, told


async def test_it_is_a_stream_at_any_cursor(api: Api) -> None:
    first = await ended(api)
    log = await told(api, first)
    for cursor in (None, log[0].id, log[-1].id, "x"):
        async with follow(api, cursor) as viewing:
            second = await ended(api)
            while (await viewing.next()).id != at(second):
                pass


@pytest.mark.parametrize("parameter", ["last_event_id", "lastEventId", "Last-Event-ID"])
async def test_the_cursor_may_be_a_parameter_and_the_header_wins(api: Api, parameter: str) -> None:
    first = await ended(api)
    log = await told(api, first)
    address = f"{ADDRESS}?{parameter}={log[3].id}"
    async with follow(api, address=address) as viewing:
        assert await viewing.next() == log[4]
    async with follow(api, log[0].id, address) as viewing:
        assert await viewing.next() == log[1]


@pytest.mark.parametrize("name", ["x", "a%20chat", "%FF", "a" * 129, "%0A"])
async def test_what_was_never_there_is_404(api: Api, name: str) -> None:
    await ended(api)
    answer = await api.client.get(f"/v1/conversations/{name}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["events", "a/events", "a%2Fevents", "ä", "%", "?a=b&c", "🙂"])
async def test_any_name_can_be_followed(api: Api, name: str) -> None:
    await api.post(BODY | {"conversation": name})
    # As a client encodes a segment of a path.
    async with api.client.stream("GET", f"/v1/conversations/{_encoded(name)}/events") as response:
        assert response.status_code == 200
        assert (await Viewing(response).next()).event == "generation"


def _encoded(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


async def test_head_is_answered_like_get_and_watches_nothing(api: Api) -> None:
    await ended(api)
    answer = await api.client.head(ADDRESS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert not api.hub.viewers
    assert api.app.state.services.watched.followers == 0
    assert (await api.client.head("/v1/conversations/x/events")).status_code == 404


async def test_an_owner_with_too_many_streams_is_told(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_viewers=1)
    await ended(api)
    async with follow(api):
        answer = await api.client.get(ADDRESS)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_viewers")


async def test_a_stream_is_opened_where_redis_does_not_say_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(conversation_events, "admit", never)
    api.app.state.services = replace(api.app.state.services, ask_timeout_s=0.01)
    first = await ended(api)
    async with follow(api) as viewing:
        assert await viewing.take(2) == await told(api, first, whole_log=False)


async def test_while_redis_is_away_all_wait_and_are_asked_then(make_api: MakeApi, own_valkey: Valkey) -> None:
    one, other = await two_nodes(make_api, own_valkey.url)
    producer = await Producer.start(one.log, await one.post(BODY | {"conversation": CHAT}, bearer(ANN)))
    await producer.complete()
    cookie = await session(one)
    made = await conversation_token(one, CHAT, bearer(ANN))
    elsewhere = "/v1/conversations/elsewhere/events"
    await own_valkey.kill()
    async with contextlib.AsyncExitStack() as stack:

        async def watch(path: str, headers: dict[str, str]) -> Viewing:
            response = await stack.enter_async_context(other.client.stream("GET", path, headers=headers))
            assert response.status_code == 200
            return Viewing(response)

        let_in = [
            await watch(ADDRESS, cookie),
            await watch(f"{ADDRESS}?token={made}", {}),
            await watch(ADDRESS, bearer(ANN)),
        ]
        refused = [
            await watch(ADDRESS, bearer(BOB)),
            await watch(f"{elsewhere}?token={made}", {}),
            await watch(elsewhere, bearer(ANN)),
        ]
        await own_valkey.start()
        for viewing in let_in:
            assert [(await viewing.next()).event for _ in range(2)] == ["generation", "completed"]
        for viewing in refused:
            assert await viewing.rest() == []
