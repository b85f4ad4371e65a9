"""No worker is alive: deadlines are kept all the same, and it is said where one looks."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import Any

import pytest

from api.queued_deadlines import QueuedDeadlines
from shared.storage.keys import DEADLINES_KEY
from tests.api.harness import BODY, Api, Hasty, MakeApi, until

SOON: dict[str, Any] = {"lease": 0.2, "times": Hasty(0.2, sync_s=0.05)}
"""A server that began a second ago is not young for it."""


async def test_a_deadline_ends_what_waits_and_its_viewer_hears_of_it(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, **SOON)
    generation_id = await api.post(BODY | {"deadline": 0.3})
    *_, last = await api.events(generation_id)
    assert last.event == "failed"
    assert json.loads(last.data)["code"] == "deadline_exceeded"
    snapshot = (await api.client.get(f"/v1/generations/{generation_id}")).json()
    assert (snapshot["state"], snapshot["error"]["code"]) == ("failed", "deadline_exceeded")


async def test_the_settings_deadline_counts_for_others(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, **SOON, deadline=0.3)
    long = await api.post(BODY | {"deadline": 60})
    assert (await api.events(await api.post()))[-1].event == "failed"
    assert (await api.client.get(f"/v1/generations/{long}")).json()["state"] == "queued"


async def test_what_is_refused_leaves_no_deadline(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_pending=1)
    first = await api.post()
    response = await api.client.post("/v1/generations", json=BODY | {"deadline": 60})
    assert response.status_code == 429
    assert not await api.log.redis.exists(DEADLINES_KEY)
    assert first


async def test_a_request_that_its_key_refuses_does_not_set_the_deadline(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    headers = {"Idempotency-Key": "k"}
    assert (await api.client.post("/v1/generations", json=BODY, headers=headers)).status_code == 202
    other = await api.client.post("/v1/generations", json=BODY | {"deadline": 60}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"
    assert not await api.log.redis.exists(DEADLINES_KEY)


async def test_a_request_that_its_key_refuses_is_not_promised(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await make_api(redis_url)
    promised: list[object] = []
    monkeypatch.setattr(api.app.state.services.unsynced, "remember", promised.append)
    for more in ({}, {"deadline": 60}):
        await api.client.post("/v1/generations", json=BODY | more, headers={"Idempotency-Key": "k"})
    # Where Redis lost both, what was refused must not be accepted in the other's place.
    assert len(promised) == 1


async def test_a_replay_leaves_the_deadline_as_it_was(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    send = partial(api.client.post, "/v1/generations", json=BODY | {"deadline": 60}, headers={"Idempotency-Key": "k"})
    generation_id = (await send()).json()["id"]
    noted = await api.log.redis.zscore(DEADLINES_KEY, generation_id)
    assert (await send()).json()["id"] == generation_id
    assert await api.log.redis.zscore(DEADLINES_KEY, generation_id) == noted


async def test_a_replay_of_what_has_ended_notes_no_deadline(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, **SOON)
    send = partial(api.client.post, "/v1/generations", json=BODY | {"deadline": 0.3}, headers={"Idempotency-Key": "k"})
    await api.events((await send()).json()["id"])
    async with asyncio.timeout(5):
        while await api.log.redis.exists(DEADLINES_KEY):
            await asyncio.sleep(0.01)
    assert (await send()).json()["state"] == "failed"
    assert not await api.log.redis.exists(DEADLINES_KEY)


async def test_readiness_says_how_many_workers_are_alive(api: Api) -> None:
    alone = await api.client.get("/readyz")
    assert alone.status_code == 200
    assert alone.json()["status"] == "no_worker"
    assert alone.json()["workers"] == 0
    assert "midstream worker" in alone.json()["warning"]
    asked = await api.client.get("/readyz", params={"workers": 1})
    assert (asked.status_code, asked.json()["code"]) == (503, "too_few_workers")
    await api.app.state.services.workers.beat("w", 60)
    both = [await api.client.get("/readyz", params=params) for params in ({}, {"workers": 1})]
    assert [response.json() for response in both] == [{"status": "ok", "workers": 1, "warning": None}] * 2
    assert [response.status_code for response in both] == [200, 200]


async def test_that_nobody_works_is_logged_once_and_so_is_that_somebody_does(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "midstream.api")
    services = api.app.state.services
    subject = QueuedDeadlines(
        services.generations, services.deadlines, services.workers, look_interval_s=0.05, no_worker_for_s=0.3
    )

    def said(word: str) -> int:
        return sum(word in message for message in caplog.messages)

    task = asyncio.create_task(subject.run())
    await until(lambda: said("no worker is alive"), "the warning")
    await services.workers.beat("w", 60)
    await until(lambda: said("1 worker is alive again"), "the recovery")
    assert said("no worker is alive") == 1
    task.cancel()
    await asyncio.wait([task])
