"""The async client over real connections: cut, resumed, left and cancelled."""

from __future__ import annotations

import asyncio
from functools import partial

import httpx2
import pytest

from midstream_client import AsyncClient, Event, GoneError, RetryBudget
from tests.midstream.scripted_api import Answer, Frame, HowCut, ScriptedApi

quick = partial(RetryBudget, total=2.0, backoff=0.001)


def frames(events: list[Event]) -> list[Frame]:
    return [(event.id, event.type, event.data) for event in events]


@pytest.mark.parametrize("how", ["end", "reset", "half", "drain"])
async def test_cut_before_every_event_in_turn(scripted_api: ScriptedApi, how: HowCut) -> None:
    scripted_api.says("Hel", "lo ", "wörld 🌍\u2028")
    async with AsyncClient(scripted_api.url, retries=quick) as client:
        for cut_after in range(len(scripted_api.log)):
            scripted_api.cuts.append((cut_after, how))
            events = [event async for event in client.follow("gen_x") if event.type != "drain"]
            assert frames(events) == scripted_api.log


async def test_a_lost_answer_and_a_silent_connection(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b")
    scripted_api.lost_posts = 1
    scripted_api.cuts.append((3, "silence"))
    async with AsyncClient(scripted_api.url, silence=0.2, retries=quick) as client:
        follower = client.create({"model": "m"})
        answer = await follower.read()
    assert (answer.text, follower.id, follower.ended) == ("ab", scripted_api.generation_id, True)
    assert len(scripted_api.keys) == 1
    assert scripted_api.cursors() == [scripted_api.log[2][0]]


async def test_who_stops_reading_goes_on_there(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b", "c")
    async with AsyncClient(scripted_api.url, retries=quick) as client, client.follow("gen_x") as follower:
        first: list[Event] = []
        async for event in follower:
            first.append(event)
            if event.data.get("delta") == "a":
                break
        assert frames(first + [event async for event in follower]) == scripted_api.log
    assert scripted_api.cursors() == [None, scripted_api.log[2][0]]


async def test_a_task_that_is_cancelled_leaves_at_once(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b")
    scripted_api.hold_at = 3
    seen = asyncio.Event()

    async def follow(client: AsyncClient) -> None:
        async for event in client.follow("gen_x"):
            if event.type == "delta":
                seen.set()

    async with AsyncClient(scripted_api.url, retries=quick) as client:
        task = asyncio.create_task(follow(client))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(scripted_api.received) == 1


async def test_calls_are_answered(scripted_api: ScriptedApi, pauses: list[float]) -> None:
    scripted_api.answers.extend([Answer(503), Answer(200, {"state": "running"}), Answer(200, {"state": "cancelled"})])
    scripted_api.answers.append(Answer(200, {"data": [], "next": None}))
    async with AsyncClient(scripted_api.url) as client:
        assert await client.snapshot("gen_x") == {"state": "running"}
        assert await client.cancel("gen_x") == {"state": "cancelled"}
        assert (await client.conversations())["data"] == []
    assert len(pauses) == 1


async def test_a_conversation_is_loaded_and_goes_on(scripted_api: ScriptedApi) -> None:
    turn = {"id": "gen_a", "number": 2, "state": "completed", "parts": []}
    scripted_api.answers.append(Answer(200, {"cursor": "a.1-2", "generations": [turn], "next": 2}))
    scripted_api.answers.append(Answer(200, {"generations": [turn | {"id": "gen_b", "number": 1}], "next": None}))
    scripted_api.answers.append(Answer(410, {"code": "gone"}))
    async with AsyncClient(scripted_api.url, retries=quick) as client:
        turns = await client.conversation("chat").load()
        assert [await turns.older(), await turns.older()] == [True, False]
        with pytest.raises(GoneError):
            await anext(aiter(turns))
    assert [turn.id for turn in turns.turns] == ["gen_b", "gen_a"]
    assert scripted_api.cursors() == ["a.1-2"]


async def test_a_client_of_httpx2_may_be_given_and_stays_open(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.extend([Answer(200, {}), Answer(200, {})])
    async with httpx2.AsyncClient() as http:
        for _ in range(2):
            async with AsyncClient(scripted_api.url, http=http) as client:
                await client.snapshot("gen_x")


async def test_followers_leave_room_for_a_call(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a")
    scripted_api.hold_at = 1
    async with AsyncClient(scripted_api.url, retries=quick, silence=20) as client:
        followers = [aiter(client.follow("gen_x")) for _ in range(101)]
        async with asyncio.timeout(15):
            await asyncio.gather(*map(anext, followers))
            scripted_api.answers.append(Answer(200, {"state": "cancelled"}))
            assert await client.cancel("gen_x") == {"state": "cancelled"}
        scripted_api.released.set()
        await asyncio.gather(*(follower.aclose() for follower in followers))
