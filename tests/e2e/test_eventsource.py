"""npm's `eventsource`, which knows nothing of us, follows generations through cuts and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Node
from tests.e2e.proxy import cutting
from tests.e2e.viewers import ask, blocks, cursor_of, watch
from tests.harness.processes import Stack

pytestmark = [
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("shown"),
    # Three reconnections of up to 3 s each, as the server asks for.
    pytest.mark.timeout(240),
]

DEADLINE = 60.0


class Follower:
    """A running `follow.mjs`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def line(self) -> bool:
        """Read what it says next; False when it has ended."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if line:
            self.lines.append(json.loads(line))
        return bool(line)

    async def end(self) -> int:
        """Wait until it ends by itself; the exit status."""
        async with asyncio.timeout(DEADLINE):
            while await self.line():
                pass
            return await self.process.wait()

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """Id, type and data of what it was told with an id."""
        return [(line["id"], line["event"], line["data"]) for line in self.lines if line.get("id")]

    @property
    def errors(self) -> list[tuple[int | None, bool]]:
        """Status of each error, and whether it gave up."""
        return [(line["status"], line["closed"]) for line in self.lines if line["event"] == "error"]


@contextlib.asynccontextmanager
async def follow(node: Node, url: str) -> AsyncIterator[Follower]:
    """The script on an address; killed at the end of the block where it still runs."""
    process = await asyncio.create_subprocess_exec(
        node.program, node.folder / "follow.mjs", url, stdout=asyncio.subprocess.PIPE, limit=2**24
    )
    try:
        yield Follower(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def told(body: bytes) -> list[tuple[str, str, str]]:
    """Id, type and data of the blocks of an uncut stream, as text."""
    lines = [block.decode().split("\n") for block in blocks(body)]
    fields = [dict(line.split(": ", 1) for line in block if ": " in line) for block in lines]
    return [(each["id"], each["event"], each["data"]) for each in fields]


async def test_cut_twice_then_204_ends_it_for_good(stack: Stack, http: httpx2.AsyncClient, node: Node) -> None:
    front, other = (api.url for api in stack.apis)
    # Events of more than one line would show here: the text has line ends of every kind.
    generation_id = await ask(http, front, "simulator/lorem?deltas=150&rate=50&unicode=1")
    path = f"/v1/generations/{generation_id}/events"
    async with cutting(other, cuts=[1_500, 4_321]) as proxy, follow(node, f"{proxy.url}{path}") as follower:
        assert await follower.end() == 0
        whole = await watch(front, generation_id)
        assert follower.events == told(whole)
        assert proxy.left == 0
        # Two cuts, the end of the stream, and the 204 after which it has nothing more to do and node ends.
        assert follower.errors == [(None, False)] * 3 + [(204, True)]
        assert [request["path"] for request in proxy.requests] == [path] * 4
        cursors = [request.get("last-event-id") for request in proxy.requests]
        assert cursors[0] is None
        assert cursors[-1] == cursor_of(blocks(whole)[-1])
        numbers = [int(str(cursor).partition("-")[2]) for cursor in cursors[1:]]
        assert 0 < numbers[0] < numbers[1] < numbers[2]


async def test_an_api_killed_under_it(stack: Stack, http: httpx2.AsyncClient, node: Node) -> None:
    front, other = stack.apis
    generation_id = await ask(http, front.url, "simulator/lorem?deltas=100&rate=40&unicode=1")
    async with follow(node, f"{other.url}/v1/generations/{generation_id}/events") as follower:
        async with asyncio.timeout(DEADLINE):
            while len(follower.events) < 10:
                assert await follower.line()
        await other.kill()
        await other.start()
        assert await follower.end() == 0
    assert follower.events == told(await watch(front.url, generation_id))
    assert follower.errors[-1] == (204, True)


async def test_what_is_not_there_ends_it_at_once(stack: Stack, node: Node) -> None:
    url = f"{stack.apis[0].url}/v1/generations/gen_{'a' * 32}/events"
    async with cutting(stack.apis[0].url) as proxy, follow(node, url.replace(stack.apis[0].url, proxy.url)) as follower:
        assert await follower.end() == 0
    assert follower.errors == [(404, True)]
    assert len(proxy.requests) == 1
