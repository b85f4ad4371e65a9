"""Real processes, killed: a worker under its generations, and Redis under its viewers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.e2e.viewers import DEADLINE, Response, ask, blocks, connect, cursor_of, parse, text_of, watch
from tests.harness.processes import Stack

LEASE = 2.0


@pytest.mark.promise(2)
async def test_kill_9_of_a_worker_under_twenty_generations(tmp_path: Path) -> None:
    environment = {"MIDSTREAM_LEASE": str(LEASE)}
    async with (
        Stack(tmp_path, workers=2, environment=environment) as stack,
        httpx2.AsyncClient(timeout=DEADLINE) as http,
    ):
        api = stack.apis[0].url
        victim, heir = stack.workers
        heir.pause()  # so that all twenty run on the other
        ids = [await ask(http, api, f"simulator/lorem?deltas=200&rate=20&seed={seed}") for seed in range(20)]
        viewers = [asyncio.create_task(watch(api, generation_id)) for generation_id in ids]
        for generation_id in ids:
            await _has_text(api, generation_id)
        heir.resume()
        await victim.kill()
        killed_ms = await _redis_ms(stack)
        bodies = await asyncio.gather(*viewers)
        reference = await ask(http, api, "simulator/lorem?deltas=200&rate=0&seed=7")
        whole = text_of(await watch(api, reference))

    for body in bodies:
        events = parse(body)
        ids_seen = [event_id for event_id, _, _ in events]
        assert len(set(ids_seen)) == len(ids_seen)
        attempts = [(event_id, data) for event_id, event, data in events if event == "attempt"]
        assert [(data["number"], data["reason"]) for _, data in attempts] == [(1, "new"), (2, "worker_lost")]
        # The second attempt's token is its start on Redis' clock.
        assert int(attempts[1][0].split("-")[0]) - killed_ms < (LEASE + 1) * 1000
        assert events[-1][1] == "completed"
        assert [event for _, event, _ in events].count("completed") == 1
    second = blocks(bodies[7])
    start = next(i for i, block in enumerate(second) if b'"reason":"worker_lost"' in block)
    assert text_of(b"".join(second[start:]) + b"\n\n") == whole


@pytest.mark.promise(1)
async def test_kill_9_of_redis_in_mid_stream(tmp_path: Path) -> None:
    async with Stack(tmp_path, apis=2, workers=2) as stack, httpx2.AsyncClient(timeout=DEADLINE) as http:
        api, other = (process.url for process in stack.apis)
        ids = [await ask(http, api, f"simulator/lorem?deltas=200&rate=40&seed={seed}") for seed in range(10)]
        viewers = [asyncio.create_task(_persistent(url, i)) for i in ids for url in (api, other)]
        for generation_id in ids:
            await _has_text(api, generation_id)
        await stack.restart_redis()
        seen = await asyncio.gather(*viewers)
        stored = [await watch(api, generation_id) for generation_id in ids]

    for index, body in enumerate(stored):
        events = parse(body)
        assert [event for _, event, _ in events].count("attempt") == 1, "a running worker kept its lease"
        assert events[-1][1] == "completed"
        for viewer in seen[2 * index : 2 * index + 2]:
            assert viewer == blocks(body), "a viewer saw what the log holds, each event once"


async def _persistent(api: str, generation_id: str) -> list[bytes]:
    """Follow to the end, with the last id at each reconnection."""
    seen: list[bytes] = []
    while True:
        cursor = cursor_of(seen[-1]) if seen else ""
        async with connect(api, generation_id, cursor) as response:
            if response.status == 204:
                return seen
            assert response.status == 200
            await _to_its_end(response)
            assert b"event: reset" not in response.body
            seen += blocks(bytes(response.body))


async def _to_its_end(response: Response) -> None:
    try:
        await response.rest()
    except (OSError, asyncio.IncompleteReadError, ValueError):
        return


async def _has_text(api: str, generation_id: str) -> None:
    async with connect(api, generation_id) as response:
        while b"event: delta" not in response.body:
            await response.more()


async def _redis_ms(stack: Stack) -> int:
    from shared.storage.connections import connect as redis_connect

    redis = redis_connect(stack.valkey.url, timeout=5)
    seconds, microseconds = await redis.time()
    await redis.aclose()
    return int(seconds) * 1000 + int(microseconds) // 1000


def test_blocks_are_json() -> None:
    """The reader above is not blind: it takes apart what it is given."""
    body = b'retry: 1\nevent: delta\ndata: {"kind":"text","delta":"x"}\nid: 5-0\n\nevent: delta\nda'
    assert blocks(body) == [body[len("retry: 1\n") : -len("event: delta\nda")]]
    assert text_of(body) == "x"
