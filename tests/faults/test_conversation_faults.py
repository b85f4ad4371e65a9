"""Conversations whose Redis loses its last second, and whose API dies in the middle of a write."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.viewers import DEADLINE, ask, parse, watch
from tests.faults.triggers import Breakable

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

ENVIRONMENT = {"MIDSTREAM_LEASE": "2", "MIDSTREAM_REDIS_TIMEOUT": "1"}
LONG, SHORT = "simulator/lorem?deltas=300&rate=40", "simulator/lorem?deltas=3&rate=0"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    folder = tmp_path_factory.mktemp("conversations")
    async with Breakable(folder, apis=2, workers=2, environment=ENVIRONMENT) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Breakable) -> AsyncIterator[Breakable]:
    """Two APIs, two workers and a Redis, as if nothing had happened yet."""
    await running.mend()
    yield running
    running.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


class Cut:
    """The end of the append-only file that is about to be lost, as if it had not been synced."""

    def __init__(self, stack: Breakable) -> None:
        self.stack = stack
        files = stack.valkey.data_dir.glob("appendonlydir/*.incr.aof")
        self.file: Path = max(files, key=lambda path: path.stat().st_mtime)
        self.size = self.file.stat().st_size

    async def lose(self) -> None:
        """Kill Redis; it comes back as it was when this was made."""
        await self.stack.valkey.kill()
        os.truncate(self.file, self.size)
        await self.stack.valkey.start()


async def turn(http: httpx2.AsyncClient, api: str, name: str, model: str = SHORT) -> str:
    return await ask(http, api, model, conversation=name)


async def shown(http: httpx2.AsyncClient, api: str, name: str) -> Any:
    response = await http.get(f"{api}/v1/conversations/{name}?limit=100")
    assert response.status_code == 200, response.text
    return response.json()


async def order(http: httpx2.AsyncClient, api: str, name: str) -> list[tuple[int, str]]:
    """Its generations by number."""
    page = await shown(http, api, name)
    return [(each["number"], each["id"]) for each in reversed(page["generations"])]


async def answers(http: httpx2.AsyncClient, url: str, status: int) -> None:
    """Wait until an address is answered so."""
    async with asyncio.timeout(DEADLINE):
        while (await http.get(url)).status_code != status:
            await asyncio.sleep(0.05)


async def complete(stack: Breakable, generation_id: str) -> None:
    assert parse(await watch(stack.apis[1].url, generation_id))[-1][1] == "completed"


@pytest.mark.parametrize("old", [True, False], ids=["old", "new"])
async def test_turns_that_redis_lost_keep_their_places(stack: Breakable, http: httpx2.AsyncClient, old: bool) -> None:
    """Those that were seen before stand before those that come while they are not back yet."""
    here, there = (api.url for api in stack.apis)
    names = [uuid.uuid4().hex for _ in range(3)]
    if old:
        for name in names:
            await complete(stack, await turn(http, here, name))
    cut = Cut(stack)
    for name in names:
        for api in (here, there, here):
            await turn(http, api, name, LONG)
    seen = {name: await order(http, here, name) for name in names}
    assert [len(places) for places in seen.values()] == [3 + old] * 3
    await cut.lose()
    later = await asyncio.gather(*(turn(http, api, name) for name in names for api in (there, here)))
    for name in names:
        now = await order(http, there, name)
        assert now[: 3 + old] == seen[name]
        assert [number for number, _ in now] == list(range(1, 6 + old))
        for _, generation_id in now:
            await complete(stack, generation_id)
    assert {generation_id for name in names for _, generation_id in await order(http, here, name)} >= set(later)
    listed = (await http.get(f"{here}/v1/conversations")).json()["data"]
    assert {one["id"] for one in listed} >= set(names)


async def test_a_deletion_that_redis_lost_is_made_again(stack: Breakable, http: httpx2.AsyncClient) -> None:
    here, there = (api.url for api in stack.apis)
    name = uuid.uuid4().hex
    ids = [await turn(http, here, name) for _ in range(3)]
    for generation_id in ids:
        await complete(stack, generation_id)
    cut = Cut(stack)
    assert (await http.delete(f"{here}/v1/conversations/{name}")).status_code == 204
    assert (await http.get(f"{there}/v1/conversations/{name}")).status_code == 410
    await cut.lose()
    await answers(http, f"{there}/v1/conversations/{name}", 410)
    for generation_id in ids:
        await answers(http, f"{there}/v1/generations/{generation_id}", 410)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_an_api_that_dies_at_the_note_leaves_a_turn_in_its_place(
    stack: Breakable, http: httpx2.AsyncClient, before: bool
) -> None:
    """Nobody was answered, and nobody asks again: the sweeper enqueues it, and gives it its place."""
    node, other = stack.apis
    name = uuid.uuid4().hex
    first = await turn(http, node.url, name)
    await complete(stack, first)
    trap = stack.trap(node, "shared/conversations/note.lua", before=before)
    with pytest.raises(httpx2.HTTPError):
        await turn(http, node.url, name)
    await trap.over_and_done()
    async with asyncio.timeout(DEADLINE):
        while len(places := await order(http, other.url, name)) < 2:
            await asyncio.sleep(0.05)
    assert [number for number, _ in places] == [1, 2]
    await complete(stack, places[1][1])
    assert await order(http, other.url, name) == places


async def test_an_api_that_dies_in_the_middle_of_a_deletion(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """From its beginning nobody finds the conversation; the same DELETE again ends what is left."""
    node, other = stack.apis
    name = uuid.uuid4().hex
    ids = [await turn(http, node.url, name) for _ in range(30)]
    for generation_id in ids:
        await complete(stack, generation_id)
    await complete(stack, gone := await ask(http, node.url, SHORT))
    assert (await http.delete(f"{node.url}/v1/generations/{gone}")).status_code == 204  # Redis knows the script
    trap = stack.trap(node, "shared/generations/delete.lua")
    with pytest.raises(httpx2.HTTPError):
        await http.delete(f"{node.url}/v1/conversations/{name}")
    await trap.over_and_done()
    assert (await http.get(f"{other.url}/v1/conversations/{name}")).status_code == 410
    left = [one for one in ids if (await http.get(f"{other.url}/v1/generations/{one}")).status_code == 200]
    assert left
    assert (await http.delete(f"{other.url}/v1/conversations/{name}")).status_code == 204
    for generation_id in ids:
        assert (await http.get(f"{other.url}/v1/generations/{generation_id}")).status_code == 410
    again = await turn(http, other.url, name)
    assert await order(http, other.url, name) == [(1, again)]
