"""The Python client against two API nodes, over connections that are cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from midstream_client import AsyncClient, Client, Event, GoneError, NotFoundError, RefusedError, RetryBudget
from tests.e2e.cuts import cut_often
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(240)]
MODEL = "simulator/lorem?deltas=40&rate=60&seed=3"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(tmp_path_factory.mktemp("stack"), apis=2) as running:
        yield running


def asked(text: str, **fields: str) -> dict[str, object]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


async def seconds(_seconds: float) -> None:
    """A pause that is over sooner: `retry` is a second or more."""
    await asyncio.sleep(0.02)


async def test_a_viewer_that_is_cut_all_the_time_has_what_the_snapshot_has(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anyio.sleep", seconds)
    async with cut_often(stack) as address, AsyncClient(address) as client:
        follower = client.create(asked("Say it"))
        events = [event async for event in follower]
    ids = [event.id for event in events if event.id]
    assert len(ids) == len(set(ids)) > 20
    assert follower.id is not None
    with Client(stack.apis[1].url) as other:
        snapshot = await asyncio.to_thread(other.snapshot, follower.id)
        again = await asyncio.to_thread(other.follow(follower.id).read)
        late = await asyncio.to_thread(other.follow(follower.id, after=ids[-1]).read)
    assert (follower.text, follower.state) == (snapshot["text"], "completed")
    assert follower.parts == again.parts == snapshot["parts"]
    assert (late.state, late.text) == ("completed", snapshot["text"])
    assert follower.cursor == snapshot["last_event_id"]


async def test_two_devices_see_the_turns_of_a_conversation(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyio.sleep", seconds)
    name = "trip/to Röm?"
    async with AsyncClient(stack.apis[1].url) as phone, cut_often(stack) as address, AsyncClient(address) as laptop:
        first = phone.create(asked("One", conversation=name))
        await first.read()
        assert first.id is not None
        watched = laptop.conversation(name)
        await watched.load()
        assert [turn.answer.text for turn in watched.turns] == [first.text]
        begun, seen = asyncio.Event(), list[Event]()

        async def watch() -> None:
            async for event in watched:
                seen.append(event)
                begun.set()
                if event.type == "completed" and len(watched.turns) == 3:
                    return

        watching = asyncio.create_task(watch())
        second = phone.create(asked("Two", conversation=name, previous=first.id))
        third = phone.create(asked("Three", conversation=name))
        await second.read()
        await third.read()
        async with asyncio.timeout(30):
            await watching
    turns = watched.turns
    assert [turn.id for turn in turns] == [first.id, second.id, third.id]
    assert [turn.number for turn in turns] == [1, 2, 3]
    assert [turn.answer.text for turn in turns] == [first.text, second.text, third.text]
    assert [turn.answer.parts for turn in turns[1:]] == [second.parts, third.parts]
    assert turns[1].previous == first.id
    ids = [event.id for event in seen if event.id]
    assert len(ids) == len(set(ids))
    assert [event.generation for event in seen if event.type == "generation"] == [second.id, third.id]


async def test_a_conversation_is_named_listed_and_deleted(stack: Stack, tmp_path: Path) -> None:
    with Client(stack.apis[0].url, retries=lambda: RetryBudget(total=10)) as client:

        def use() -> None:
            client.create(asked("One", conversation="named/1")).read()
            turns = client.conversation("named/1").load()
            assert turns.about["count"] == 1
            assert turns.older() is False
            assert client.call("PATCH", turns.path, body={"title": "Mine"})["title"] == "Mine"
            (entry,) = [one for one in client.conversations()["data"] if one["id"] == "named/1"]
            assert entry["title"] == "Mine"
            assert client.call("DELETE", turns.path) == {}
            with pytest.raises(GoneError):
                list(client.conversation("named/1"))
            with pytest.raises(NotFoundError):
                list(client.conversation("never"))

        await asyncio.to_thread(use)


async def test_a_refusal_says_which_field(stack: Stack) -> None:
    async with AsyncClient(stack.apis[0].url) as client:
        with pytest.raises(RefusedError, match="/messages") as raised:
            await client.create({"model": MODEL}).read()
    assert (raised.value.status, raised.value.code) == (422, "invalid_request")


async def test_a_cancel_ends_it_for_who_follows(stack: Stack) -> None:
    async with AsyncClient(stack.apis[0].url) as client, AsyncClient(stack.apis[1].url) as other:
        follower = client.create(asked("Long", on_interrupt="fail") | {"model": "simulator/lorem?deltas=500&rate=20"})
        async for event in follower:
            if event.type == "delta" and follower.id:
                await other.cancel(follower.id)
        assert follower.state == "cancelled"
        assert follower.text
