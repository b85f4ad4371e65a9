"""Viewers are counted over all nodes, and who asks is told how many there are."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from api.counting import audience, counter
from shared.generations import unwatched
from shared.generations.viewer_counts import ViewerCounts
from shared.storage.keys import GenerationKeys
from tests.api.harness import BODY, DEADLINE, Api, MakeApi, Message, Producer, Viewing, until, whole


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count counts for 3 s, and is noted each 0.2 s at most."""
    monkeypatch.setattr(unwatched, "LIFE_S", 3.0)
    monkeypatch.setattr(counter, "WRITE_S", 0.2)
    monkeypatch.setattr(audience, "WRITE_S", 0.2)
    monkeypatch.setattr(counter, "TICK_S", 0.02)


@contextlib.asynccontextmanager
async def asking(api: Api, generation_id: str, cursor: str = "") -> AsyncIterator[Viewing]:
    """A viewer that wants to know how many there are."""
    path = f"/v1/generations/{generation_id}/events"
    async with api.client.stream("GET", path, params={"viewers": 1}, headers={"Last-Event-ID": cursor}) as response:
        assert response.status_code == 200
        yield Viewing(response)


async def told(viewing: Viewing, count: int) -> list[Message]:
    """All that comes up to the event which says so many viewers."""
    seen: list[Message] = []
    async with asyncio.timeout(DEADLINE):
        while True:
            seen.append(await viewing.next())
            if seen[-1].event == "viewers" and json.loads(seen[-1].data) == {"viewers": count}:
                return seen


def logged(messages: list[Message]) -> list[Message]:
    """Those of the log; what says how many watch has no id."""
    assert all((message.id is None) == (message.event == "viewers") for message in messages)
    return [message for message in messages if message.id is not None]


async def test_who_asks_is_told_how_many_watch_at_all_nodes(make_api: MakeApi, redis_url: str) -> None:
    one, other = [await make_api(redis_url) for _ in range(2)]
    generation_id = await one.post()
    async with asking(one, generation_id) as viewing:
        await told(viewing, 1)
        async with other.view(generation_id), other.view(generation_id):
            await told(viewing, 3)
            async with one.view(generation_id):
                await told(viewing, 4)
            await told(viewing, 3)
        await told(viewing, 1)
        assert (await one.client.head(f"/v1/generations/{generation_id}/events?viewers=1")).status_code == 200
        async with asking(other, generation_id) as second:
            await told(second, 2)
            await told(viewing, 2)


async def test_who_waits_for_the_answer_is_counted(make_api: MakeApi, redis_url: str) -> None:
    one, other = [await make_api(redis_url) for _ in range(2)]
    key = {"Idempotency-Key": "k"}
    generation_id = await one.post(headers=key)
    async with asking(one, generation_id) as viewing:
        await told(viewing, 1)
        waits = other.client.post("/v1/generations", json=BODY, headers=key | {"Prefer": "wait=60"})
        waiting = asyncio.create_task(waits)
        await told(viewing, 2)
        waiting.cancel()
        await told(viewing, 1)


async def test_the_viewers_of_a_node_that_says_no_more_are_gone(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    generation_id = await api.post()
    async with asking(api, generation_id) as viewing:
        await told(viewing, 1)
        key = GenerationKeys(generation_id).viewers
        await api.app.state.services.hub.audience.unwatched.counts.note("dead", {key: 3})
        await told(viewing, 4)
        await told(viewing, 1)
        keys: Any = api.log.redis.hkeys
        assert b"dead" not in await keys(key)


async def test_they_carry_no_id_and_break_no_resume(api: Api, running: Producer) -> None:
    """With viewers coming and going, reconnects get each event once; `viewers` is between them, and moves no cursor."""
    seen: list[Message] = []
    for round in range(6):
        cursor = str(seen[-1].id) if seen else ""
        async with asking(api, running.generation_id, cursor) as viewing, api.view(running.generation_id):
            await running.say(f"{round}.0")
            messages = await told(viewing, 2)
            await running.say(f"{round}.1", f"{round}.2")
            while len(seen) + len(logged(messages)) < len(running.written) + 1:
                messages.append(await viewing.next())
            seen += logged(messages)
    await running.complete()
    async with asking(api, running.generation_id, str(seen[-1].id)) as viewing:
        seen += logged(await viewing.rest())
    assert seen == await whole(api.log, running.generation_id)


async def test_what_is_not_asked_for_costs_nothing(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    generation_id = await api.post()
    async with api.view(generation_id), api.view(generation_id):
        await asyncio.sleep(0.6)
        assert not await api.log.redis.exists(GenerationKeys(generation_id).viewers)


async def test_a_count_is_noted_once_in_its_time_however_often_it_changes(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "WRITE_S", 0.5)
    api = await make_api(redis_url)
    generation_id = await api.post(BODY | {"on_unwatched": {"after": 60}})
    key = GenerationKeys(generation_id).viewers
    notes: list[float] = []
    note = ViewerCounts.note

    async def noted(self: ViewerCounts, node: str, counts: dict[str, int], tell: Sequence[str] = ()) -> object:
        notes.extend([time.monotonic()] * (key in counts))
        return await note(self, node, counts, tell)

    monkeypatch.setattr(ViewerCounts, "note", noted)
    async with api.view(generation_id):
        for _ in range(30):
            async with api.view(generation_id):
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
    await until(lambda: not api.hub.audience._generations, "the last note")
    assert len(notes) > 3
    assert all(later - earlier > 0.45 for earlier, later in itertools.pairwise(notes))


async def test_a_slow_viewer_is_passed_over(make_api: MakeApi, redis_url: str) -> None:
    """Nothing waits for it in memory: what it is told last is the newest."""
    api = await make_api(redis_url)
    offered: list[bytes] = []

    class Slow:
        full = True

        def offer(self, frame: bytes) -> bool:
            offered.append(frame)
            return not self.full

    subject = api.hub.audience
    viewers, slow = subject.join("gen_a", None), Slow()
    subject.ask(viewers, slow)
    await until(lambda: len(offered) > 1, "two looks")
    others = [subject.join("gen_a", None) for _ in range(2)]
    slow.full = False
    await until(lambda: viewers.askers[slow] == 3, "the newest count")
    assert offered[-1] == b'event: viewers\ndata: {"viewers":3}\n\n'
    count = len(offered)
    await asyncio.sleep(0.6)
    assert len(offered) == count
    for one in [*others, viewers]:
        subject.leave(one, slow if one is viewers else None)
