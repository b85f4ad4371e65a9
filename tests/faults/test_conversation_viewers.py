"""Who follows a conversation sees its turns once and in their order, whatever dies: APIs, Redis, its last second."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.viewers import DEADLINE, blocks, connect, cursor_of, parse, watch
from tests.faults.test_conversation_faults import ENVIRONMENT, Cut, complete, order, turn
from tests.faults.triggers import Breakable

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SLOW = "simulator/lorem?deltas=60&rate=30"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    folder = tmp_path_factory.mktemp("followers")
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


class Follower:
    """Follows a conversation, at the next API whenever it is cut off, and keeps the blocks that it has seen."""

    def __init__(self, stack: Breakable, name: str) -> None:
        self.seen: list[bytes] = []
        self.beside = b""
        """What came without an id, and heartbeats."""
        self._stack, self._name = stack, name
        self._connections = 0
        self._task: asyncio.Task[None] | None = None

    def online(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def offline(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self) -> None:
        while True:
            api = self._stack.apis[self._connections % len(self._stack.apis)].url
            self._connections += 1
            before = list(self.seen)
            cursor = cursor_of(before[-1]) if before else ""
            with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
                async with connect(api, self._name, cursor, of="conversations") as response:
                    assert response.status == 200, response.status
                    while await response.more():
                        self.seen = before + blocks(response.body)
            await asyncio.sleep(0.05)

    async def has(self, generation_id: str) -> None:
        """Waits until it has seen the end of a turn."""
        tail = generation_id.removeprefix("gen_")
        async with asyncio.timeout(DEADLINE):
            while not any(_ends(block, tail) for block in self.seen):
                assert self._task is None or not self._task.done(), self._task
                await asyncio.sleep(0.02)


def _ends(block: bytes, tail: str) -> bool:
    return block.startswith(b"event: completed\n") and cursor_of(block).startswith(f"{tail}.")


async def expected(stack: Breakable, ids: Sequence[str]) -> list[bytes]:
    """The events of these turns, as their logs have them; what says that each begins is left out."""
    found: list[bytes] = []
    for generation_id in ids:
        log = blocks(await watch(stack.apis[1].url, generation_id))
        tail = generation_id.removeprefix("gen_").encode()
        found += [block.replace(b"\nid: ", b"\nid: " + tail + b".") for block in log]
    return found


async def judge(stack: Breakable, http: httpx2.AsyncClient, name: str, ids: Sequence[str], seen: list[bytes]) -> None:
    """Every turn in the order of the numbers, its beginning and each event of its log once."""
    assert await order(http, stack.apis[0].url, name) == list(enumerate(ids, 1))
    events = parse(b"".join(seen))
    beginnings = [(data["number"], data["generation"]) for _, type, data in events if type == "generation"]
    assert beginnings == list(enumerate(ids, 1))
    assert [block for block in seen if not block.startswith(b"event: generation\n")] == await expected(stack, ids)
    at = {cursor_of(block): number for number, block in enumerate(seen)}
    for generation_id in ids:
        tail = generation_id.removeprefix("gen_")
        assert cursor_of(seen[at[f"{tail}.0-0"] + 1]).startswith(f"{tail}."), "its log follows its beginning"


@pytest.mark.promise(1)
async def test_two_followers_see_the_same_turns_in_the_same_order(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """One is always there, the other goes and comes back; APIs are killed and restarted, and so is Redis."""
    name = uuid.uuid4().hex
    here, there = stack.apis
    ids = [await turn(http, here.url, name, SLOW)]
    always, sometimes = Follower(stack, name), Follower(stack, name)
    always.online()
    sometimes.online()
    await always.has(ids[0])
    await sometimes.has(ids[0])
    await sometimes.offline()
    # Under a turn that runs, and while nothing runs.
    ids.append(await turn(http, there.url, name, SLOW))
    await here.kill()
    await here.start()
    await complete(stack, ids[-1])
    await there.kill()
    await there.start()
    ids += [await turn(http, there.url, name, SLOW), await turn(http, here.url, name)]
    await stack.restart_redis()
    await always.has(ids[-1])
    sometimes.online()
    await stack.restart_redis()
    ids.append(await turn(http, here.url, name, SLOW))
    await asyncio.sleep(0.5)
    await sometimes.offline()
    await here.stop()
    await here.start()
    sometimes.online()
    ids.append(await turn(http, there.url, name))
    for follower in (always, sometimes):
        await follower.has(ids[-1])
        await follower.offline()
        await judge(stack, http, name, ids, follower.seen)
    assert always.seen == sometimes.seen


@pytest.mark.promise(1)
async def test_who_has_seen_turns_that_redis_lost_sees_them_once(stack: Breakable, http: httpx2.AsyncClient) -> None:
    name = uuid.uuid4().hex
    here, there = (api.url for api in stack.apis)
    ids = [await turn(http, here, name)]
    await complete(stack, ids[0])
    always, sometimes = Follower(stack, name), Follower(stack, name)
    always.online()
    await asyncio.sleep(0.2)
    sometimes.seen = list(always.seen)
    cut = Cut(stack)
    ids += [await turn(http, api, name, SLOW) for api in (here, there)]
    sometimes.online()
    async with asyncio.timeout(DEADLINE):
        while len(always.seen) < 10 or len(sometimes.seen) < 10:
            await asyncio.sleep(0.02)
    await sometimes.offline()
    await cut.lose()
    ids.append(await turn(http, there, name))
    sometimes.online()
    for follower in (always, sometimes):
        await follower.has(ids[-1])
        await follower.offline()
        # What had ended before they came was told by its end alone.
        assert [parse(block)[0][1] for block in follower.seen[:2]] == ["generation", "completed"]
        rest = [block for block in follower.seen[2:] if not block.startswith(b"event: generation\n")]
        assert rest == await expected(stack, ids[1:])
    assert always.seen == sometimes.seen
    assert [id for _, id in await order(http, there, name)] == ids
