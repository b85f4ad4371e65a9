"""Native POSTs that wait for the snapshot."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from api.exchange.waiting import said_so_far
from tests.api.exchange.dialect_posts import Spoken
from tests.api.exchange.test_asking import begun
from tests.api.harness import BODY, Api, Producer

NATIVE = Spoken("/v1/generations", "gen_", BODY)


async def test_the_snapshot_comes_at_the_end(api: Api) -> None:
    waiting, generation_id = await begun(api, NATIVE, stream=False)
    producer = await Producer.start(api.log, generation_id)
    await producer.say("Hello")
    assert not waiting.done()
    await producer.complete()
    response = await waiting
    assert response.status_code == 200
    assert response.headers["location"] == f"/v1/generations/{generation_id}"
    assert (response.json()["state"], response.json()["text"]) == ("completed", "Hello")


async def test_who_waits_shortly_has_what_there_is(api: Api) -> None:
    response = await api.client.post("/v1/generations", json=BODY, headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "wait=1"
    assert response.json()["state"] == "queued"


async def test_an_end_within_that_time_is_the_snapshot(api: Api) -> None:
    waiting = asyncio.create_task(api.client.post("/v1/generations", json=BODY, headers={"Prefer": "wait=60"}))
    ids: list[str] = []
    async with asyncio.timeout(10):
        while not ids:
            ids.extend(id for id, _ in (await api.generations.queue.take("w", most=5)).jobs)
            await asyncio.sleep(0.01)
    producer = await Producer.start(api.log, ids[0])
    await producer.fail()
    response = await waiting
    assert (response.status_code, response.json()["state"]) == (200, "failed")


async def test_a_stream_may_be_asked_for_in_the_body(api: Api) -> None:
    async with api.client.stream("POST", "/v1/generations", json=BODY | {"stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert b"event: queued" in await anext(response.aiter_raw())


@pytest.mark.parametrize("fields", [{"stream": False}, {"stream": True}])
async def test_how_it_is_answered_is_no_part_of_the_request(api: Api, fields: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "k", "Prefer": "wait=0"}
    first = await api.client.post("/v1/generations", json=BODY, headers=headers)
    producer = await Producer.start(api.log, first.json()["id"])
    await producer.complete()
    again: httpx2.Response = await api.client.post("/v1/generations", json=BODY | fields, headers=headers)
    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"


async def test_what_was_said_is_read_page_by_page(api: Api, running: Producer) -> None:
    await running.say(*"abc" * 400)
    said, size = await said_so_far(api.log, running.generation_id)
    assert said.text == "abc" * 400
    assert size > 256 * 1200
