"""Redis killed, cut short, paused, emptied, filled, and out of reach for one process only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from shared.storage.connections import connect as connect_redis
from shared.storage.keys import GenerationKeys
from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, watch
from tests.faults.triggers import Breakable

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

ENVIRONMENT = {"MIDSTREAM_LEASE": "2", "MIDSTREAM_REDIS_TIMEOUT": "1", "MIDSTREAM_HEARTBEAT": "0.5"}
HEARTBEAT = b"\n: "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    folder = tmp_path_factory.mktemp("redis")
    async with Breakable(folder, apis=2, workers=2, environment=ENVIRONMENT) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Breakable) -> AsyncIterator[Breakable]:
    """Two APIs, two workers and a Redis, as if nothing had happened yet."""
    await running.mend()
    yield running
    running.show()


@pytest_asyncio.fixture(loop_scope="module")
async def redis(stack: Breakable) -> AsyncIterator[Redis]:
    async with contextlib.aclosing(connect_redis(stack.valkey.url, timeout=5)) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


class Viewer:
    """Follows one generation to its end at one API, resuming as often as it is cut off."""

    def __init__(self, api: str, generation_id: str) -> None:
        self.seen: list[bytes] = []
        self.heartbeats = self.connections = 0
        self.resets = 0
        self.status = 0
        self._api, self._id = api, generation_id
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            cursor = cursor_of(self.seen[-1]) if self.seen else ""
            before = list(self.seen)
            async with connect(self._api, self._id, cursor) as response:
                self.status, self.connections = response.status, self.connections + 1
                if response.status != 200:
                    return
                with contextlib.suppress(OSError, EOFError, ValueError):
                    while await response.more():
                        self.seen = before + blocks(response.body)
                        self.heartbeats = response.body.count(HEARTBEAT)
                self.resets += response.body.count(b"event: reset\n")


async def lengths(redis: Redis, ids: Iterable[str]) -> list[int]:
    return [await redis.xlen(GenerationKeys(generation_id).log) for generation_id in ids]


async def attempted(redis: Any, ids: Iterable[str]) -> list[str]:
    """How many attempts each record has."""
    return [(await redis.hget(GenerationKeys(generation_id).record, "attempts")).decode() for generation_id in ids]


async def grown(redis: Redis, ids: Iterable[str], by: int) -> None:
    """Wait until each log has so many more events."""
    ids = list(ids)
    before = await lengths(redis, ids)
    async with asyncio.timeout(DEADLINE):
        while any(now < old + by for now, old in zip(await lengths(redis, ids), before, strict=True)):
            await asyncio.sleep(0.02)


async def started(stack: Breakable, http: httpx2.AsyncClient, redis: Redis, model: str, count: int) -> list[str]:
    """So many generations that have text."""
    ids = [await ask(http, stack.apis[0].url, f"simulator/{model}&seed={seed}") for seed in range(count)]
    await grown(redis, ids, 3)
    return ids


def reasons(log: list[bytes]) -> list[str]:
    """Why each attempt was made, in a log that is dense within each attempt and has one end, its last event."""
    events = parse(b"".join(log))
    ids = [tuple(map(int, event_id.split("-"))) for event_id, _, _ in events]
    assert ids == sorted(set(ids))
    for token in {token for token, _ in ids}:
        seqs = [seq for of, seq in ids if of == token]
        assert seqs == list(range(len(seqs)))
    assert [kind for _, kind, _ in events if kind in ("completed", "failed", "cancelled")] == [events[-1][1]]
    return [data["reason"] for _, kind, data in events if kind == "attempt"]


async def exact(stack: Breakable, viewers: dict[str, list[Viewer]]) -> dict[str, list[str]]:
    """Wait for the ends; every viewer saw the log, each event once and in order. Gives the attempts' reasons."""
    found = {}
    for generation_id, watching in viewers.items():
        await asyncio.gather(*(viewer.task for viewer in watching))
        log = blocks(await watch(stack.apis[1].url, generation_id))
        assert [viewer.resets for viewer in watching] == [0] * len(watching)
        assert all(viewer.seen == log for viewer in watching)
        assert {viewer.status for viewer in watching} == {204}
        found[generation_id] = reasons(log)
    return found


def watched(stack: Breakable, ids: Iterable[str]) -> dict[str, list[Viewer]]:
    """A viewer of each at each API."""
    return {generation_id: [Viewer(api.url, generation_id) for api in stack.apis] for generation_id in ids}


async def test_kill_9_three_times_under_load(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """No event is lost or seen twice, and nothing starts over."""
    ids = await started(stack, http, redis, "lorem?deltas=200&rate=40", 10)
    viewers = watched(stack, ids)
    for _ in range(3):
        await stack.restart_redis()
        await grown(redis, ids, 5)
    assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}


@pytest.mark.parametrize("cut", [5_000, 200_000])
async def test_the_tail_of_the_append_only_file_is_lost(
    stack: Breakable, http: httpx2.AsyncClient, redis: Redis, cut: int
) -> None:
    """Workers write again what Redis forgot, with the same ids: viewers go on where they were."""
    ids = await started(stack, http, redis, "lorem?deltas=300&rate=60&chunk=64", 10)
    viewers = watched(stack, ids)
    # The newest file; only what was written since all have begun is cut off, as if it had not been synced.
    file = max(stack.valkey.data_dir.glob("appendonlydir/*.incr.aof"), key=lambda path: path.stat().st_mtime)
    began = file.stat().st_size
    async with asyncio.timeout(DEADLINE):
        while file.stat().st_size < began + cut:
            await asyncio.sleep(0.005)
    await stack.valkey.kill()
    before = file.stat().st_size
    os.truncate(file, before - cut)
    await stack.valkey.start()
    assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}


async def test_a_redis_that_is_emptied(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """FLUSHALL: what runs is written again by its worker, what had ended is 404, and nobody hangs."""
    over = await ask(http, stack.apis[0].url, "simulator/lorem?deltas=3&rate=0")
    await watch(stack.apis[0].url, over)
    asked = time.monotonic()
    ids = await started(stack, http, redis, "lorem?deltas=200&rate=40", 6)
    viewers = watched(stack, ids)
    async with asyncio.timeout(DEADLINE):
        while time.monotonic() < asked + 3:  # nobody remembers it any more
            await asyncio.sleep(0.02)
    await redis.flushall()
    assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}
    for api in stack.apis:
        async with asyncio.timeout(DEADLINE):
            # An earlier test has restarted Redis: to an API that has not looked at it since, no 404 is sure so soon.
            while (answer := await http.get(f"{api.url}/v1/generations/{over}/events")).status_code == 200:
                assert b"data:" not in answer.content
        assert answer.status_code == 404
        again = await ask(http, api.url, "simulator/lorem?deltas=3&rate=0")
        assert reasons(blocks(await watch(api.url, again))) == ["new"]


async def test_a_redis_without_memory(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """`maxmemory` reached: new work is refused, running work ends with a word, and reads go on."""
    api = stack.apis[0].url
    over = await ask(http, api, "simulator/lorem?deltas=3&rate=0")
    whole = blocks(await watch(api, over))
    ids = await started(stack, http, redis, "lorem?deltas=9999&rate=40", 3)
    viewers = watched(stack, ids)
    await redis.config_set("maxmemory", "1")
    try:
        body = {"model": "simulator/lorem?deltas=3", "messages": [{"role": "user", "content": "Go."}]}
        refused = await http.post(f"{api}/v1/generations", json=body)
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["retry-after"]) > 0
        assert blocks(await watch(api, over)) == whole
        await exact(stack, viewers)
        for generation_id in ids:
            end = parse(await watch(api, generation_id))[-1]
            assert (end[1], end[2]["code"]) == ("failed", "storage_full")
    finally:
        await redis.config_set("maxmemory", "0")
    await watch(api, await ask(http, api, "simulator/lorem?deltas=3&rate=0"))


@pytest.mark.parametrize("act", ["cut", "reset"])
@pytest.mark.parametrize("process", ["worker-1", "api-1"])
async def test_one_process_loses_its_connections(
    stack: Breakable, http: httpx2.AsyncClient, redis: Redis, process: str, act: str
) -> None:
    """Again and again: nothing starts over, and no viewer even has to reconnect."""
    if process == "worker-1":
        stack.workers[1].pause()
    ids = await started(stack, http, redis, "lorem?deltas=100&rate=40", 5)
    viewers = watched(stack, ids)
    for _ in range(5):
        assert getattr(stack.ways[process], act)() > 0
        await grown(redis, ids, 5)
    assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}
    # The second connection is the one that gets the 204.
    assert {viewer.connections for both in viewers.values() for viewer in both} == {2}


async def test_a_worker_in_a_black_hole(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """Redis does not answer one worker: the other one takes over what it had, and it writes nothing after that."""
    lost, heir = stack.workers
    heir.pause()
    taken = await started(stack, http, redis, "lorem?deltas=80&rate=25", 5)
    lost.pause()
    heir.resume()
    kept = await started(stack, http, redis, "lorem?deltas=80&rate=25", 5)
    stack.ways[lost.name].black_hole()
    lost.resume()
    viewers = watched(stack, taken + kept)
    async with asyncio.timeout(DEADLINE):
        while await attempted(redis, taken) != ["2"] * 5:
            await asyncio.sleep(0.02)
    stack.ways[lost.name].restore()
    found = await exact(stack, viewers)
    assert [found[generation_id] for generation_id in taken] == [["new", "worker_lost"]] * 5
    assert [found[generation_id] for generation_id in kept] == [["new"]] * 5
    # It works again.
    heir.pause()
    again = await ask(http, stack.apis[0].url, "simulator/lorem?deltas=3&rate=0")
    assert reasons(blocks(await watch(stack.apis[0].url, again))) == ["new"]


async def test_an_api_in_a_black_hole(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """Redis does not answer one API: its viewers are kept with heartbeats, and then served; POST says 503."""
    dark = stack.apis[0]
    ids = await started(stack, http, redis, "lorem?deltas=160&rate=40", 5)
    viewers = watched(stack, ids)
    async with asyncio.timeout(DEADLINE):
        while not all(viewer.seen for both in viewers.values() for viewer in both):
            await asyncio.sleep(0.02)
    stack.ways[dark.name].black_hole()
    in_the_dark = [both[0] for both in viewers.values()]
    body = {"model": "simulator/lorem?deltas=3", "messages": [{"role": "user", "content": "Go."}]}
    refused = await http.post(f"{dark.url}/v1/generations", json=body)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    late = Viewer(dark.url, ids[0])
    async with asyncio.timeout(DEADLINE):
        while not all(viewer.heartbeats >= 2 for viewer in (*in_the_dark, late)):
            await asyncio.sleep(0.02)
        assert not late.seen
        # Those of the other API see everything meanwhile.
        await asyncio.gather(*(both[1].task for both in viewers.values()))
        stack.ways[dark.name].restore()
        viewers[ids[0]].append(late)
        assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}


async def test_a_log_deleted_under_a_live_viewer(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """Its worker writes it again, with the same ids: viewers notice nothing."""
    ids = await started(stack, http, redis, "lorem?deltas=100&rate=40", 3)
    viewers = watched(stack, ids)
    for _ in range(2):
        for generation_id in ids:
            assert await redis.delete(GenerationKeys(generation_id).log) == 1
        await grown(redis, ids, 10)
    assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}


async def test_a_log_trimmed_under_a_live_viewer(stack: Breakable, http: httpx2.AsyncClient, redis: Redis) -> None:
    """Who follows misses nothing; who comes back to what is no more is told so by a `reset`."""
    (generation_id,) = await started(stack, http, redis, "lorem?deltas=100&rate=40", 1)
    first, second = Viewer(stack.apis[0].url, generation_id), Viewer(stack.apis[0].url, generation_id)
    await grown(redis, [generation_id], 10)
    async with asyncio.timeout(DEADLINE):
        while len(first.seen) < 13:
            await asyncio.sleep(0.02)
    await redis.xtrim(GenerationKeys(generation_id).log, maxlen=4, approximate=False)
    left = [entry_id.decode() for entry_id, _ in await redis.xrange(GenerationKeys(generation_id).log)]
    # The other API has not read this log before. From the end of what is trimmed on nothing is missing.
    last_trimmed = cursor_of(first.seen[next(n for n, b in enumerate(first.seen) if cursor_of(b) == left[0]) - 1])
    gone = cursor_of(first.seen[1])
    other = stack.apis[1].url
    resumed, reset = await asyncio.gather(watch(other, generation_id, last_trimmed), watch(other, generation_id, gone))
    await asyncio.gather(first.task, second.task)
    assert reasons(first.seen) == ["new"]
    assert first.seen == second.seen
    assert first.resets == second.resets == 0
    assert b"event: reset\n" not in resumed
    tail = first.seen[next(n for n, block in enumerate(first.seen) if cursor_of(block) == left[0]) :]
    assert blocks(resumed) == tail
    assert reset.count(b"event: reset\n") == 1
    assert blocks(reset) == tail


async def test_a_pause_of_eight_seconds(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    """SIGSTOP of Redis for longer than a lease (the default, 5 s): no generation starts over."""
    environment = ENVIRONMENT | {"MIDSTREAM_LEASE": "5"}
    async with (
        Breakable(tmp_path, apis=2, workers=2, environment=environment) as stack,
        contextlib.aclosing(connect_redis(stack.valkey.url, timeout=15)) as redis,
    ):
        ids = await started(stack, http, redis, "lorem?deltas=200&rate=20", 10)
        viewers = watched(stack, ids)
        until = time.monotonic() + 8
        os.kill(stack.valkey.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(DEADLINE):
                while time.monotonic() < until:
                    await asyncio.sleep(0.02)
        finally:
            os.kill(stack.valkey.pid, signal.SIGCONT)
        assert set(map(tuple, (await exact(stack, viewers)).values())) == {("new",)}
        assert all(viewer.heartbeats for both in viewers.values() for viewer in both)
