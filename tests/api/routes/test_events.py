"""What following a log comes to: a stream, its end, or a refusal; and a stream where Redis cannot say which."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from api.routes import events
from midstream.processes.valkey import Valkey
from tests.api.access.signed_in import ANN, BOB, bearer, session, share, token, two_nodes
from tests.api.harness import Api, MakeApi, Producer, Viewing, whole

UNKNOWN = "gen_" + "a" * 32


async def test_a_log_that_has_ended_is_a_stream_until_all_of_it_was_seen(api: Api, running: Producer) -> None:
    await running.say("x")
    await running.complete()
    assert await api.status(running.generation_id) == 200
    assert await api.status(running.generation_id, cursor=f"{running.claim.token}-1") == 200
    assert await api.status(running.generation_id, cursor=str(running.last)) == 204
    path = f"/v1/generations/{running.generation_id}/events"
    over = await api.client.get(path, headers={"Last-Event-ID": str(running.last)})
    assert (over.content, over.headers["cache-control"]) == (b"", "no-store")


@pytest.mark.parametrize("parameter", ["last_event_id", "lastEventId", "Last-Event-ID"])
async def test_the_cursor_may_be_a_parameter_and_the_header_wins(api: Api, running: Producer, parameter: str) -> None:
    await running.complete()
    path, last = f"/v1/generations/{running.generation_id}/events", str(running.last)
    assert (await api.client.get(path, params={parameter: last})).status_code == 204
    headers = {"Last-Event-ID": f"{running.claim.token}-0"}
    answer = await api.client.get(path, params={parameter: last}, headers=headers)
    assert answer.status_code == 200
    assert b"event: attempt" not in answer.content
    assert b"event: completed" in answer.content


@pytest.mark.parametrize("generation_id", [UNKNOWN, "x", "gen_", "gen_" + "A" * 32])
async def test_what_was_never_there_is_404(api: Api, generation_id: str) -> None:
    answer = await api.client.get(f"/v1/generations/{generation_id}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_what_was_deleted_is_410(api: Api, running: Producer) -> None:
    path = f"/v1/generations/{running.generation_id}"
    assert (await api.client.delete(path)).status_code == 204
    answer = await api.client.get(f"{path}/events")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


async def test_head_is_answered_like_get(api: Api, running: Producer) -> None:
    await running.complete()
    path = f"/v1/generations/{running.generation_id}/events"
    answer = await api.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (await api.client.head(path, headers={"Last-Event-ID": str(running.last)})).status_code == 204


async def test_a_stream_is_opened_where_redis_is_away(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url, redis_timeout=0.3)
    generation_id = await api.post()
    await own_valkey.kill()
    # An EventSource gives up for good at a 5xx.
    assert await api.status(generation_id) == 200
    await own_valkey.start()


async def test_a_stream_is_opened_where_redis_does_not_say_in_time(
    api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(events, "admit", never)
    api.app.state.services = replace(api.app.state.services, ask_timeout_s=0.01)
    await running.complete()
    assert (await api.events(running.generation_id))[-1].event == "completed"


async def test_while_redis_is_away_nobody_is_asked_who_they_are_and_all_wait(
    make_api: MakeApi, own_valkey: Valkey
) -> None:
    one, other = await two_nodes(make_api, own_valkey.url)  # `other` has never heard of anybody
    producer = await Producer.start(one.log, await one.post(headers=bearer(ANN)))
    await producer.say("Hi.")
    await producer.complete()
    cookie, ended = await session(one), await session(one)
    assert (await one.client.delete("/v1/session", headers=ended)).status_code == 204
    events = f"/v1/generations/{producer.generation_id}/events"
    made = await token(one, producer.generation_id, bearer(ANN))
    link = await share(one, producer.generation_id, bearer(ANN))
    whole_log = [message.id for message in await whole(one.log, producer.generation_id)]
    await own_valkey.kill()
    async with contextlib.AsyncExitStack() as stack:

        async def watch(path: str, headers: dict[str, str]) -> Viewing:
            response = await stack.enter_async_context(other.client.stream("GET", path, headers=headers))
            assert response.status_code == 200
            return Viewing(response)

        let_in = [
            await watch(events, cookie),
            await watch(f"{events}?token={made}", {}),
            await watch(f"{link['path']}/events", {}),
            await watch(events, bearer(ANN)),
        ]
        refused = [
            await watch(events, ended),
            await watch(f"{events}?token=A{made[1:]}", {}),
            await watch(f"/s/{'a' * 32}/events", {}),
            await watch(events, bearer(BOB)),
        ]
        await own_valkey.start()
        for viewing in let_in:
            assert [message.id for message in await viewing.rest() if message.id] == whole_log
        for viewing in refused:
            assert [message for message in await viewing.rest() if message.id] == []
