"""Viewers that leave, do not read, read by the byte, come with a wrong cursor or too late; and cancels that race."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import TERMINAL_TYPES, Cancelled, EventId
from shared.log.guarded_log import ClaimOutcome, Log, WriteOutcome
from shared.queue.queue import Queue
from shared.storage.clock import read_clock
from shared.storage.connections import connect
from shared.storage.keys import GenerationKeys
from tests.api.harness import Api, Producer, until, whole
from tests.contract.accepting import accept, batch, claim, completed
from tests.e2e.viewers import blocks, cursor_of
from tests.e2e.viewers import connect as follow

RACES = 2000
STALL = 0.5


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    async with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    async with aclosing(connect(valkey.url, timeout=10)) as client:
        yield client


@pytest.fixture
async def api(valkey: Valkey) -> AsyncIterator[Api]:
    """One that cuts a viewer who makes no progress for half a second."""
    settings = Settings(
        redis_url=valkey.url, simulator_url="http://127.0.0.1:9", viewer_stall=STALL, send_buffer=16_384
    )
    async with Api(settings) as running:
        yield running


async def said(api: Api, *texts: str) -> Producer:
    """A generation that has said this and not ended."""
    producer = await Producer.start(api.log, await api.post())
    await producer.say(*texts)
    return producer


@pytest.mark.parametrize("live", [True, False], ids=["live", "ended"])
async def test_a_cursor_from_another_generation(api: Api, live: bool) -> None:
    """The viewer is told by a `reset`, and gets the log from its start."""
    other = await said(api, "x", "y")
    mine = await said(api, "a", "b", "c")
    if not live:
        await mine.complete()
    async with api.view(mine.generation_id, str(other.last)) as viewing:
        reset = await viewing.next()
        assert (reset.id, reset.event, json.loads(reset.data)["reason"]) == (None, "reset", "unknown_cursor")
        if live:
            await mine.complete()
        assert await viewing.rest() == await whole(api.log, mine.generation_id)


@pytest.mark.parametrize("live", [True, False], ids=["live", "ended"])
async def test_a_cursor_from_a_superseded_attempt(api: Api, live: bool) -> None:
    """What the old attempt said after it is still there, and then comes the new one, without a `reset`."""
    old = await said(api, "a", "b", "c")
    new = await Producer.start(api.log, old.generation_id)
    await new.say("d", "e")
    if not live:
        await new.complete()
    cursor = EventId(old.claim.token, 2)
    async with api.view(old.generation_id, str(cursor)) as viewing:
        if live:
            seen = await viewing.take(4)
            await new.complete()
            seen += await viewing.rest()
        else:
            seen = await viewing.rest()
    log = await whole(api.log, old.generation_id)
    assert seen == log[3:]
    assert [message.event for message in seen[:4]] == ["delta", "delta", "attempt", "part"]


@pytest.mark.parametrize("live", [True, False], ids=["live", "ended"])
@pytest.mark.parametrize("ahead", ["token", "seq"])
async def test_a_cursor_from_the_future(api: Api, live: bool, ahead: str) -> None:
    """While the log grows it is waited for; then, as where it has ended, there is a `reset`, and all of it."""
    api.hub.catch_up_s = 0.2
    producer = await said(api, "a")
    token = producer.claim.token
    cursor = EventId(token + 60_000, 0) if ahead == "token" else EventId(token, 99)
    if live:
        async with api.view(producer.generation_id, str(cursor)) as viewing:
            assert (await viewing.next()).event == "reset"
            await producer.complete()
            assert await viewing.rest() == await whole(api.log, producer.generation_id)
    else:
        await producer.complete()
        reset, *seen = await api.events(producer.generation_id, str(cursor))
        assert reset.event == "reset"
        assert seen == await whole(api.log, producer.generation_id)


async def replayable(api: Api, pages: int) -> str:
    """An ended log of so many pages, several megabytes in all."""
    producer = await said(api)
    for _ in range(pages):
        await producer.say(*("z" * 4_000 for _ in range(500)))
    await producer.complete()
    return producer.generation_id


async def test_viewers_that_leave_in_the_middle_of_a_replay(api: Api) -> None:
    """Nothing is left of them, and who stays sees all."""
    generation_id = await replayable(api, 3)
    url = f"http://127.0.0.1:{api.port}"

    async def leave(after: int) -> None:
        async with follow(url, generation_id) as response:
            await response.until(after)

    staying = asyncio.create_task(api.events(generation_id))
    await asyncio.gather(*(leave(random.Random(n).randrange(1, 2_000_000)) for n in range(30)))
    assert await staying == await whole(api.log, generation_id)
    await until(lambda: not api.hub.viewers and not api.hub.tails, "nothing to be left")


async def test_a_log_that_expires_during_its_replay(api: Api, redis: Redis) -> None:
    """The stream ends in order and without an end that never came; the reconnect is 410."""
    generation_id = await replayable(api, 6)
    log = [str(message.id) for message in await whole(api.log, generation_id)]
    async with follow(f"http://127.0.0.1:{api.port}", generation_id) as response:
        await response.until(100_000)
        keys = GenerationKeys(generation_id)
        for name in (keys.record, keys.log):
            await redis.pexpire(name, 1)
        while await redis.exists(keys.record, keys.log):
            await asyncio.sleep(0.005)
        body = await response.rest()
    seen = [cursor_of(block) for block in blocks(body)]
    assert seen == log[: len(seen)]
    assert 0 < len(seen) < len(log)
    assert b"event: completed" not in body
    assert await api.status(generation_id, seen[-1]) == 410
    await until(lambda: not api.hub.viewers, "the viewer to be gone")


async def read_by_the_byte(api: Api, generation_id: str) -> bytes:
    """What a viewer gets who takes a byte each 20 ms, until it is cut."""
    loop = asyncio.get_running_loop()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await loop.sock_connect(slow, ("127.0.0.1", api.port))
        request = f"GET /v1/generations/{generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
        await loop.sock_sendall(slow, request.encode())
        await until(lambda: api.hub.viewers, "the viewer")
        got = b""
        while api.hub.viewers:
            got += await loop.sock_recv(slow, 1)
            await asyncio.sleep(0.02)
        try:
            while more := await loop.sock_recv(slow, 65_536):
                got += more
        except ConnectionResetError:
            pass
    return got


async def test_a_viewer_that_reads_a_byte_at_a_time(api: Api) -> None:
    """It is cut, costs others nothing, and goes on after its last event once it reads as they do."""
    producer = await said(api)
    reading = asyncio.create_task(read_by_the_byte(api, producer.generation_id))
    await until(lambda: api.hub.viewers, "the viewer")
    (viewer,) = api.hub.viewers
    for _ in range(40):
        await producer.say("x" * 50_000)
        assert viewer._written < 700_000, "held in memory for it"
    async with asyncio.timeout(30):
        got = await reading
    await producer.complete()
    log = await whole(api.log, producer.generation_id)
    assert await api.events(producer.generation_id) == log
    head, _, chunks = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    seen = [line.removeprefix(b"id: ").decode() for line in chunks.split(b"\n") if line.startswith(b"id: ")]
    assert len(seen) < len(log) - 5
    # The last of them may be incomplete: it resumes after the one before it.
    cursor = seen[-2] if len(seen) > 1 else ""
    assert await api.events(producer.generation_id, cursor) == log[max(len(seen) - 1, 0) :]


async def test_cancel_after_the_end_changes_nothing(api: Api) -> None:
    """It says how it ended, as often as it is asked."""
    producer = await said(api, "a")
    await producer.complete()
    before = await whole(api.log, producer.generation_id)
    for _ in range(2):
        response = await api.client.post(f"/v1/generations/{producer.generation_id}/cancel")
        assert (response.status_code, response.json()["state"]) == (200, "completed")
    assert await whole(api.log, producer.generation_id) == before


async def test_cancel_against_completion_two_thousand_times(redis: Redis) -> None:
    """Whoever seals first wins: there is one end, the answer says which, and both happen."""
    settings = Settings(simulator_url="http://127.0.0.1:9", lease=1.0)
    generations, log = Generations(redis, Queue(redis, settings), settings), Log(redis)
    async with asyncio.timeout(10):
        while (await read_clock(redis))[1] < 1000:  # a Redis that may just have restarted seals no cancel
            await asyncio.sleep(0.05)
    chance = random.Random(2)
    ends: Counter[tuple[str | None, str]] = Counter()

    async def work(generation_id: str, after: int) -> None:
        """What a worker does, who hears of the wish at its claim or with an append."""
        for _ in range(after):
            await redis.ping()
        claimed = await claim(log, generation_id)
        if claimed.start is ClaimOutcome.CANCELLED:
            await log.append(batch(generation_id, claimed, 0, [Cancelled()]))
        elif claimed.start is ClaimOutcome.CLAIMED:
            reply = await log.append(batch(generation_id, claimed, 1, [completed()]))
            assert reply.outcome is WriteOutcome.OK
        else:
            assert claimed.start is ClaimOutcome.SEALED

    async def cancel(generation_id: str, after: int) -> str | None:
        for _ in range(after):
            await redis.ping()
        return await generations.cancel(generation_id)

    async def race(after: int, claimed_after: int) -> None:
        generation_id = await accept(generations)
        answer, _ = await asyncio.gather(cancel(generation_id, after), work(generation_id, claimed_after))
        entries = await log.read(generation_id)
        record: Any = (await generations.find(generation_id)).record
        assert [entry.type for entry in entries if entry.type in TERMINAL_TYPES] == [entries[-1].type] == [record.state]
        assert record.seal == entries[-1].id
        assert answer == record.state or answer == "running"
        assert await generations.cancel(generation_id) == record.state
        ends[answer, record.state] += 1

    for _ in range(RACES // 25):
        await asyncio.gather(*(race(chance.randrange(4), chance.randrange(6)) for _ in range(25)))
    assert sum(ends.values()) == RACES
    assert ends["cancelled", "cancelled"] > 10
    assert ends["completed", "completed"] > 10
    assert ends["running", "completed"] > 10
