"""Workers killed at exact points, paused, replaced, poisoned, and with a wrong clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from shared.storage.connections import connect as connect_redis
from shared.storage.keys import GenerationKeys
from tests.e2e.viewers import DEADLINE, ask, parse, text_of, watch
from tests.faults.triggers import Breakable, Trap
from tests.harness.processes import Process

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LEASE = 2.0
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    environment = {"MIDSTREAM_LEASE": str(LEASE), "MIDSTREAM_DRAIN_TIMEOUT": "0.1"}
    async with Breakable(tmp_path_factory.mktemp("workers"), workers=2, environment=environment) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Breakable) -> AsyncIterator[Breakable]:
    """Two workers, as if nothing had happened yet."""
    await running.mend()
    yield running
    running.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


@pytest.fixture
def key() -> str:
    """Names this test's requests in the simulator's journal."""
    return uuid.uuid4().hex


def attempts(body: bytes) -> list[tuple[int, str]]:
    """Number and reason of each attempt, in a log that must be dense, and ended by its last event alone."""
    events = parse(body)
    ids = [tuple(map(int, event_id.split("-"))) for event_id, _, _ in events]
    assert ids == sorted(set(ids))
    for token in {token for token, _ in ids}:
        seqs = [seq for of, seq in ids if of == token]
        assert seqs == list(range(len(seqs)))
    ends = [event for _, event, _ in events if event in ("completed", "failed", "cancelled")]
    assert ends == [events[-1][1]]
    return [(data["number"], data["reason"]) for _, event, data in events if event == "attempt"]


def last_attempt(body: bytes) -> str:
    """What the last attempt said."""
    return text_of(body[body.rindex(b"event: attempt\n") :].partition(b"\n\n")[2])


def written(journal: Path, generation_id: str) -> list[dict[str, Any]]:
    """What a worker's journal says of one generation."""
    lines = [json.loads(line) for line in journal.read_bytes().splitlines()]
    return [line for line in lines if line["id"] == generation_id]


async def until_delta(stack: Breakable, *generation_ids: str) -> None:
    """Wait until each log has text."""
    redis = connect_redis(stack.valkey.url, timeout=5)
    async with asyncio.timeout(DEADLINE), contextlib.aclosing(redis):
        for generation_id in generation_ids:
            while not any(b"delta" in fields for _, fields in await redis.xrange(GenerationKeys(generation_id).log)):
                await asyncio.sleep(0.01)


APPEND, CLAIM = "shared/log/append.lua", "shared/log/claim.lua"
KILLS: dict[str, tuple[str, dict[str, Any], list[tuple[int, str]], int]] = {
    "before the claim": (CLAIM, {"before": True}, [(1, "new")], 1),
    "after the claim": (CLAIM, {"answer": "CLAIMED"}, [(1, "new"), (2, "worker_lost")], 1),
    "before the terminal append": (APPEND, {"before": True}, [(1, "new"), (2, "worker_lost")], 2),
    "after the terminal append": (APPEND, {"answer": "OK"}, [(1, "new")], 1),
}


@pytest.mark.promise(7)
@pytest.mark.parametrize("point", KILLS)
async def test_kill_9_at_a_point(stack: Breakable, http: httpx2.AsyncClient, key: str, point: str) -> None:
    """A killed worker's generation ends once, whole, and the provider is asked no more often than needed."""
    script, when, expected, asked = KILLS[point]
    victim, heir = stack.workers
    api = stack.apis[0].url
    heir.pause()
    victim.pause()
    generation_id = await ask(http, api, f"simulator/lorem?deltas=20&rate=0&seed=3&key={key}")
    words = [generation_id, "\r\ncompleted\r\n"] if script == APPEND else [generation_id]
    trap = stack.trap(victim, script, *words, **when)
    victim.resume()
    await trap.over_and_done()
    heir.resume()
    body = await watch(api, generation_id)
    assert attempts(body) == expected
    assert parse(body)[-1][1] == "completed"
    assert await stack.requests(http, key) == asked
    reference = await watch(api, await ask(http, api, "simulator/lorem?deltas=20&rate=0&seed=3"))
    assert last_attempt(body) == last_attempt(reference) != ""


@pytest.mark.promise(4)
async def test_a_zombie_that_wakes_writes_nothing(stack: Breakable, http: httpx2.AsyncClient, key: str) -> None:
    """SIGSTOP for twice the lease, then SIGCONT: what it still had to say and to end is given up, or refused."""
    zombie, heir = stack.workers
    api = stack.apis[0].url
    heir.pause()
    # One is over when the zombie wakes, the other one is in the middle of its second attempt.
    short = await ask(http, api, f"simulator/lorem?deltas=60&rate=30&seed=1&key={key}")
    long = await ask(http, api, f"simulator/lorem?deltas=160&rate=40&seed=2&key={key}")
    await until_delta(stack, short, long)
    zombie.pause()
    paused, stopped = time.monotonic(), time.time()
    heir.resume()
    over = await watch(api, short)
    async with asyncio.timeout(DEADLINE):
        while time.monotonic() < paused + 2 * LEASE:
            await asyncio.sleep(0.01)
        journal = stack.journal(zombie)
        zombie.resume()
        heir.pause()
        # It is awake, and at work again: what was asked before it knew that it had been paused, it leaves for a lease.
        fresh: list[str] = []
        while "OK" not in [line.get("outcome") for one in fresh for line in written(journal, one)]:
            fresh.append(await ask(http, api, "simulator/lorem?deltas=5&rate=0"))
            await asyncio.sleep(0.1)
        heir.resume()
    bodies = {short: await watch(api, short), long: await watch(api, long)}
    assert bodies[short].partition(b"\n")[2] == over.partition(b"\n")[2]  # but for `retry`
    for generation_id, body in bodies.items():
        assert attempts(body) == [(1, "new"), (2, "worker_lost")]
        assert parse(body)[-1][1] == "completed"
        first, second = (event_id for event_id, event, _ in parse(body) if event == "attempt")
        after = body[body.index(f"id: {second}\n".encode()) :]
        assert f"id: {first.partition('-')[0]}-".encode() not in after
        # What Redis had from it before, it may read the answer to now.
        tried = [line for line in written(journal, generation_id) if line.get("sent", 0.0) > stopped]
        assert {line["outcome"] for line in tried} <= {"FENCED", "SEALED"}


async def test_all_workers_killed_then_one_started(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """Without any worker nothing is lost: what ran, and what was asked meanwhile, is done by the next one."""
    api = stack.apis[0].url
    model = "simulator/lorem?deltas=20&rate=0&fault=stall@5&times=1"
    ran = [await ask(http, api, f"{model}&seed={seed}&key=a{seed}") for seed in range(6)]
    await until_delta(stack, *ran)
    for worker in stack.workers:
        await worker.kill()
    queued = [await ask(http, api, f"simulator/lorem?deltas=20&rate=0&seed={seed}") for seed in range(6)]
    viewers = [asyncio.create_task(watch(api, generation_id)) for generation_id in ran + queued]
    await stack.workers[0].start()
    bodies = await asyncio.gather(*viewers)
    for again, once in zip(bodies[:6], bodies[6:], strict=True):
        assert attempts(again) == [(1, "new"), (2, "worker_lost")]
        assert attempts(once) == [(1, "new")]
        assert last_attempt(again) == last_attempt(once) != ""
        assert parse(again)[-1][1] == parse(once)[-1][1] == "completed"


async def test_three_deploys_in_a_row_count_no_attempt(stack: Breakable, http: httpx2.AsyncClient, key: str) -> None:
    """SIGTERM during 20 generations, thrice: as many drains as `max_attempts`, and all are completed."""
    old, new = stack.workers
    api = stack.apis[0].url
    await new.stop()
    model = f"simulator/lorem?deltas=20&rate=0&fault=stall@5&times=3&key={key}"
    ids = [await ask(http, api, f"{model}&seed={seed}") for seed in range(20)]
    viewers = [asyncio.create_task(watch(api, generation_id, deadline=4 * DEADLINE)) for generation_id in ids]
    for deploy in range(1, 4):
        async with asyncio.timeout(DEADLINE):
            while await stack.requests(http, key) < 20 * deploy:
                await asyncio.sleep(0.02)
        await until_delta(stack, *ids)
        await new.start()
        assert await old.stop() == 0
        old, new = new, old
    for body in await asyncio.gather(*viewers):
        assert attempts(body) == [(1, "new"), (2, "drained"), (3, "drained"), (4, "drained")]
        assert parse(body)[-1][1] == "completed"
    assert await stack.requests(http, key) == 80


async def _started_again(worker: Process) -> None:
    """As a supervisor does."""
    while True:
        if not worker.running:
            await worker.start()
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def poisoned(stack: Breakable, http: httpx2.AsyncClient) -> AsyncIterator[tuple[str, list[Trap]]]:
    """A generation that kills every worker that says something of it; workers are started again."""
    for worker in stack.workers:
        worker.pause()
    poison = await ask(http, stack.apis[0].url, "simulator/lorem?deltas=50")
    words = [poison, "\r\ndelta\r\n"]
    traps = [stack.trap(worker, APPEND, *words, answer="OK", times=9) for worker in stack.workers]
    supervisors = [asyncio.create_task(_started_again(worker)) for worker in stack.workers]
    try:
        yield poison, traps
    finally:
        for supervisor in supervisors:
            supervisor.cancel()
        await asyncio.wait(supervisors)


async def test_a_poison_job_ends_and_work_goes_on(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """A generation that kills its worker each time is `failed` with `worker_lost` after `max_attempts`."""
    api = stack.apis[0].url
    async with poisoned(stack, http) as (poison, traps):
        for worker in stack.workers:
            worker.resume()
        viewer = asyncio.create_task(watch(api, poison, deadline=3 * DEADLINE))
        others: list[bytes] = []
        while not viewer.done() or len(others) < 4:
            other = await ask(http, api, "simulator/lorem?deltas=20&rate=0")
            others.append(await watch(api, other, deadline=3 * DEADLINE))
        body = await viewer
    tried = attempts(body)
    assert tried == [(1, "new"), *((number, "worker_lost") for number in range(2, len(tried) + 1))]
    # Of two last attempts on one worker, no one knows which one killed it: that one counts for none. Attempts from the
    # third on are last ones, and another generation may share a worker with the poison in each of its own.
    shared = sum(max(0, len(attempts(other)) - 2) for other in others)
    assert 3 <= len(tried) <= 3 + min(shared, 3)
    assert sum(trap.sprung for trap in traps) == len(tried)
    assert parse(body)[-1][1] == "failed"
    assert parse(body)[-1][2]["code"] == "worker_lost"
    assert {parse(other)[-1][1] for other in others} == {"completed"}


async def test_a_poison_job_does_not_harm_what_runs_beside_it(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """Generations that share each of its workers with a poison job end as they would have without it."""
    api = stack.apis[0].url
    async with poisoned(stack, http) as (poison, _):
        beside = [await ask(http, api, f"simulator/lorem?deltas=40&rate=40&seed={seed}") for seed in range(3)]
        for worker in stack.workers:
            worker.resume()
        # Six workers are killed, one after the other, each started again by its supervisor and found out by its lease.
        watching = (watch(api, generation_id, deadline=3 * DEADLINE) for generation_id in (*beside, poison))
        bodies = await asyncio.gather(*watching)
    assert [parse(body)[-1][1] for body in bodies] == ["completed"] * 3 + ["failed"]


@pytest_asyncio.fixture(loop_scope="module")
async def wrong_clock(stack: Breakable, request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    """The second worker, started again with a clock that is off."""
    if not FAKETIME:
        pytest.skip("libfaketime is not installed (Debian's package libfaketime)")
    worker = stack.workers[1]
    honest = dict(worker.environment)
    await worker.stop()
    worker.environment |= {
        "LD_PRELOAD": str(FAKETIME[0]), "FAKETIME": request.param, "FAKETIME_DONT_FAKE_MONOTONIC": "1"
    }  # fmt: skip
    await worker.start()
    yield worker
    await worker.stop()
    worker.environment = honest


@pytest.mark.parametrize("wrong_clock", [pytest.param("-600s", marks=pytest.mark.nightly), "+600s"], indirect=True)
async def test_a_worker_whose_clock_is_ten_minutes_off(
    stack: Breakable, http: httpx2.AsyncClient, wrong_clock: Process
) -> None:
    """Tokens and leases are of Redis' clock: nothing is taken early, started twice, or dated wrong."""
    api = stack.apis[0].url
    before = time.time() * 1000
    ids = [await ask(http, api, f"simulator/lorem?deltas=40&rate=20&seed={seed}") for seed in range(10)]
    bodies = await asyncio.gather(*(watch(api, generation_id) for generation_id in ids))
    after = time.time() * 1000
    for body in bodies:
        assert attempts(body) == [(1, "new")]
        assert parse(body)[-1][1] == "completed"
        assert before - 1 <= int(parse(body)[0][0].partition("-")[0]) <= after
        assert all(0 <= data["t"] <= after - before for _, _, data in parse(body))
    lines = [json.loads(line) for line in stack.journal(wrong_clock).read_bytes().splitlines()]
    off = [line["at"] for line in lines if line["id"] in ids]
    assert off, "it had none of them"
    assert all(abs(abs(at * 1000 - after) - 600_000) < 60_000 for at in off)
    # And what it leaves is taken over no sooner and no later than from any other.
    victim = await ask(http, api, "simulator/lorem?deltas=20&rate=0&fault=stall@5&times=1&key=clock" + str(before))
    await until_delta(stack, victim)
    for worker in stack.workers:
        await worker.kill()
    await stack.workers[0].start()
    assert attempts(await watch(api, victim)) == [(1, "new"), (2, "worker_lost")]
