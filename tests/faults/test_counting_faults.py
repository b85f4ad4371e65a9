"""An API node is killed under its viewers: what they watch lives on where they come back, and their places are free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, watch
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

AFTER = 4.0
UNWATCHED = {"after": AFTER}
LIFE = 15.0
"""Seconds for which the count of a node that was killed counts."""
MAX_VIEWERS = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("counting")
    async with Stack(folder, apis=2, environment={"MIDSTREAM_MAX_VIEWERS": str(MAX_VIEWERS)}) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Stack) -> AsyncIterator[Stack]:
    """Two APIs and a worker."""
    for node in running.apis:
        if not node.running:
            await node.start()
    yield running
    running.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


async def state(http: httpx2.AsyncClient, url: str, generation_id: str) -> str:
    return str((await http.get(f"{url}/v1/generations/{generation_id}")).json()["state"])


async def test_a_killed_nodes_viewers_are_missed_only_where_they_do_not_come_back(
    stack: Stack, http: httpx2.AsyncClient
) -> None:
    node, other = stack.apis
    model = "simulator/lorem?deltas=1000&rate=20"
    kept, left = [await ask(http, other.url, model, on_unwatched=UNWATCHED) for _ in range(2)]
    async with connect(node.url, kept, deadline=90) as one, connect(node.url, left, deadline=90) as two:
        await one.until(2_000)
        await two.until(2_000)
        await asyncio.sleep(AFTER * 2)
        assert [await state(http, other.url, i) for i in (kept, left)] == ["running"] * 2
        await node.kill()
    killed = time.monotonic()
    # Within the time in which clients come back (`retry`), at the node that is left.
    await asyncio.sleep(2)
    seen = blocks(one.body)
    async with connect(other.url, kept, cursor_of(seen[-1]), deadline=90) as again:
        await again.until(500)
        async with asyncio.timeout(90):
            while await state(http, other.url, left) != "cancelled":
                await asyncio.sleep(0.2)
        # Nobody could know earlier: the node may only have been slow.
        assert time.monotonic() - killed > LIFE - 5
        size = len(again.body)
        await again.until(size + 500)
        assert await state(http, other.url, kept) == "running"
        rest = blocks(again.body)
    # And once that one has left too, it ends, as its log says to whoever looks later.
    async with asyncio.timeout(90):
        while await state(http, other.url, kept) != "cancelled":
            await asyncio.sleep(0.2)
    ids = [event_id for event_id, _, _ in parse(await watch(other.url, kept))]
    assert len(ids) == len(set(ids))
    had = [event_id for event_id, _, _ in parse(b"".join([*seen, *rest]))]
    assert ids[: len(had)] == had


async def test_a_killed_nodes_places_are_free_soon(stack: Stack, http: httpx2.AsyncClient) -> None:
    node, other = stack.apis
    generation_id = await ask(http, other.url, "simulator/lorem?deltas=600&rate=20")
    async with connect(other.url, generation_id, deadline=90) as first:
        await first.until(100)
        async with connect(node.url, generation_id) as second, connect(node.url, generation_id) as third:
            await second.until(100)
            await third.until(100)
            async with asyncio.timeout(DEADLINE):
                while True:
                    async with connect(other.url, generation_id) as fourth:
                        if fourth.status == 429:
                            break
                    await asyncio.sleep(0.1)
            await node.kill()
        began = time.monotonic()
        async with asyncio.timeout(LIFE):
            while True:
                async with connect(other.url, generation_id) as fourth:
                    if fourth.status == 200:
                        break
                await asyncio.sleep(0.2)
        assert time.monotonic() - began < LIFE
