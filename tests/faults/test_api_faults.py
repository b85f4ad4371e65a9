"""API nodes killed between the writes of accepting and under their viewers, and answers that never arrive."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, watch
from tests.faults.triggers import Breakable
from tests.harness.proxy import Connection, Direction, Proxy

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

VIEWERS = 1000
GRACE = 5.0
"""Seconds in which an API ends after SIGTERM (api.serving.server.END_GRACE_S), whatever its viewers do."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    async with Breakable(tmp_path_factory.mktemp("apis"), apis=2) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Breakable) -> AsyncIterator[Breakable]:
    """Two APIs and a worker, as if nothing had happened yet."""
    await running.mend()
    yield running
    running.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


async def post(http: httpx2.AsyncClient, url: str, model: str, key: str) -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Go."}]}
    return await http.post(f"{url}/v1/generations", json=body, headers={"Idempotency-Key": key})


async def listed(http: httpx2.AsyncClient, url: str, model: str) -> list[dict[str, Any]]:
    """The generations of this model's name."""
    page = (await http.get(f"{url}/v1/generations", params={"limit": 100})).json()
    return [row for row in page["data"] if row["model"] == model]


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    "point", ["shared/queue/announce.lua", "shared/generations/create.lua", "shared/queue/enqueue.lua"]
)
async def test_killed_between_two_writes_of_accepting(stack: Breakable, http: httpx2.AsyncClient, point: str) -> None:
    """What was not answered runs once or not at all, and the same POST elsewhere gives one generation."""
    node, other = stack.apis
    key = uuid.uuid4().hex
    model = f"simulator/lorem?deltas=5&rate=0&key={key}"
    # So that Redis knows the script, and the node is killed at its first run of it.
    await watch(other.url, await ask(http, other.url, "simulator/lorem?deltas=2&rate=0"))
    trap = stack.trap(node, point)
    with pytest.raises(httpx2.HTTPError):
        await post(http, node.url, model, key)
    await trap.over_and_done()
    if point == "shared/queue/announce.lua":
        assert await listed(http, other.url, model) == []
        assert await stack.requests(http, key) == 0
    else:
        # Nobody asks again: the record alone is enough to make it run.
        async with asyncio.timeout(DEADLINE):
            while [row["state"] for row in await listed(http, other.url, model)] != ["completed"]:
                await asyncio.sleep(0.05)
    again = await post(http, other.url, model, key)
    assert again.status_code == 202, again.text
    body = await watch(other.url, again.json()["id"])
    assert [event for _, event, _ in parse(body) if event in ("attempt", "completed")] == ["attempt", "completed"]
    assert [row["id"] for row in await listed(http, other.url, model)] == [again.json()["id"]]
    assert await stack.requests(http, key) == 1


class _Deaf(Connection):
    """Resets at the first byte of an answer."""

    def read(self, direction: Direction, data: bytes) -> None:
        if direction is Direction.DOWN:
            self.reset()
        else:
            super().read(direction, data)


async def test_a_post_repeated_after_a_dropped_202_twice_at_once(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """The answer was lost on its way: the client asks again, at two nodes at once, and gets what it has."""
    node, other = stack.apis
    key = uuid.uuid4().hex
    model = f"simulator/lorem?deltas=5&rate=0&key={key}"
    way = Proxy("client", ("127.0.0.1", node.port))
    server = await asyncio.get_running_loop().create_server(lambda: _Deaf(way).client, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(httpx2.HTTPError):
        await post(http, f"http://127.0.0.1:{port}", model, key)
    server.close()
    answers = await asyncio.gather(*(post(http, url, model, key) for url in (node.url, other.url) * 2))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.headers.get("idempotent-replayed") for answer in answers} == {"true"}
    (generation_id,) = {answer.json()["id"] for answer in answers}
    assert parse(await watch(other.url, generation_id))[-1][1] == "completed"
    assert len(await listed(http, other.url, model)) == 1
    assert await stack.requests(http, key) == 1


class Audience:
    """One viewer who is cut off with its node, and goes on at the other one."""

    def __init__(self, generation_id: str) -> None:
        self.generation_id = generation_id
        self.seen: list[bytes] = []
        self.watching = False
        self.told = False

    async def follow(self, node: str, other: str) -> None:
        try:
            async with connect(node, self.generation_id) as response:
                with contextlib.suppress(OSError, EOFError, ValueError):
                    while await response.more():
                        self.watching = self.watching or b"event: delta" in response.body
                self.told = response.body.endswith(b"event: drain\ndata: {}\n\n")
        finally:
            self.seen = blocks(response.body)
        assert self.seen[-1].partition(b"event: ")[2].split(b"\n")[0] == b"delta", "it is over already"
        async with connect(other, self.generation_id, cursor_of(self.seen[-1])) as response:
            assert response.status == 200
            self.seen += blocks(await response.rest())


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
async def test_an_api_ends_under_a_thousand_viewers(
    stack: Breakable, http: httpx2.AsyncClient, sent: signal.Signals
) -> None:
    """They go on at the other node after the last id they saw, and each has seen the log, once and in order."""
    node, other = stack.apis
    model = "simulator/lorem?deltas=2000&rate=20"
    generation_id = await ask(http, node.url, model)
    audience = [Audience(generation_id) for _ in range(VIEWERS)]
    viewing = asyncio.gather(*(viewer.follow(node.url, other.url) for viewer in audience))
    async with asyncio.timeout(DEADLINE):
        while not all(viewer.watching for viewer in audience):
            assert not viewing.done(), viewing.exception()
            await asyncio.sleep(0.02)
    began = time.monotonic()
    node.popen.send_signal(sent)
    status = await node.wait()
    ended = time.monotonic()
    if sent == signal.SIGTERM:
        assert status == 0
        assert ended - began < GRACE + 2, "the time that it may take, and what the interpreter takes to end"
    while sum(len(viewer.seen) > 0 for viewer in audience) < VIEWERS:
        await asyncio.sleep(0.02)
    assert (await http.post(f"{other.url}/v1/generations/{generation_id}/cancel")).json()["state"] == "cancelled"
    await viewing
    log = blocks(await watch(other.url, generation_id))
    assert b"event: cancelled" in log[-1].split(b"\n")
    assert sum(viewer.seen == log for viewer in audience) == VIEWERS
    assert {viewer.told for viewer in audience} == {sent == signal.SIGTERM}
