"""A generation from the queue to its seal, through the real SDKs, a real provider process and a real Redis."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Attempt, Cancelled, Completed, Delta, Failed, decode
from shared.log.guarded_log import Batch, Reply
from shared.storage.keys import PENDING_KEY, QUEUE_KEY, GenerationKeys
from tests.worker.conftest import Eventually, Midstream, said_something, working
from worker.writing.observer import Observer

PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")


def text(events: list[object]) -> str:
    """What the last attempt said."""
    last = max(i for i, event in enumerate(events) if isinstance(event, Attempt))
    return "".join(e.delta for e in events[last:] if isinstance(e, Delta) and e.kind == "text")


async def test_the_end_leaves_the_queue_and_the_index_empty(
    settings: Settings, midstream: Midstream, redis: Redis, eventually: Eventually
) -> None:
    async with working(settings):
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=3&rate=0"))

        async def empty() -> bool:
            return not await redis.exists(QUEUE_KEY, PENDING_KEY)

        await eventually(empty)
    assert [key async for key in redis.scan_iter("arq:*")] == []


async def test_many_generations_run_at_once(settings: Settings, midstream: Midstream) -> None:
    async with working(settings):
        ids = [await midstream.ask(f"simulator/lorem?deltas=40&rate=40&seed={seed}") for seed in range(50)]
        ended = await asyncio.gather(*(midstream.ended(generation_id, 30) for generation_id in ids))
    assert all(isinstance(events[-1], Completed) for events in ended)
    assert len({text(list(events)) for events in ended}) == 50


class TestCancel:
    @pytest.mark.parametrize("script", ["lorem?deltas=9999&rate=50", "lorem?deltas=9&rate=0&fault=stall@4"])
    async def test_the_provider_is_left_and_the_log_says_so(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str, script: str
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask(f"simulator/{script}&key={key}")
            await midstream.until(generation_id, said_something)
            assert await generations.cancel(generation_id) == "running"
            events = await midstream.ended(generation_id, 5)
            assert isinstance(events[-1], Cancelled)
            rows = await midstream.requests(key, lambda rows: rows[0]["how"] is not None)
        assert rows[0]["how"] == "client_left"

    async def test_a_lost_wake_up_is_made_good(
        self, settings: Settings, midstream: Midstream, redis: Redis, key: str
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask("simulator/lorem?deltas=9&rate=0&fault=stall@4")
            await midstream.until(generation_id, said_something)
            hset: Any = redis.hset
            await hset(GenerationKeys(generation_id).record, "cancel", "1")
            assert isinstance((await midstream.ended(generation_id, 5))[-1], Cancelled)

    async def test_deleted_while_running(
        self, settings: Settings, midstream: Midstream, generations: Generations, key: str
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask(f"simulator/lorem?deltas=9999&rate=50&key={key}")
            await midstream.until(generation_id, said_something)
            await generations.delete("local", generation_id)
            rows = await midstream.requests(key, lambda rows: rows[0]["how"] is not None)
            assert rows[0]["how"] == "client_left"
        assert await midstream.log.read(generation_id) == []


class TestLeaving:
    async def test_a_short_answer_is_finished(self, settings: Settings, midstream: Midstream) -> None:
        async with working(settings.model_copy(update={"drain_timeout": 10.0})) as worker:
            generation_id = await midstream.ask("simulator/lorem?deltas=30&rate=30")
            await midstream.until(generation_id, said_something)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(worker, 20)
        events = await midstream.ended(generation_id, 1)
        assert isinstance(events[-1], Completed)
        assert sum(isinstance(event, Attempt) for event in events) == 1

    async def test_a_long_one_is_handed_over_at_once_and_counts_no_failure(
        self, settings: Settings, midstream: Midstream, queue: object
    ) -> None:
        slow = settings.model_copy(update={"lease": 30.0})
        generation_id = await midstream.ask("simulator/lorem?deltas=60&rate=30")
        for number in range(1, 5):
            async with working(slow) as worker:
                await midstream.until(
                    generation_id,
                    lambda entries, n=number: sum(e.type == "attempt" for e in entries) == n,  # type: ignore[misc]
                )
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(worker, 20)
        async with working(slow):
            events = await midstream.ended(generation_id)
        attempts = [event for event in events if isinstance(event, Attempt)]
        assert [attempt.reason for attempt in attempts] == ["new"] + ["drained"] * 4
        assert isinstance(events[-1], Completed)

    @pytest.mark.parametrize(("script", "says"), [("lorem?deltas=60&rate=30", True), ("lorem?ttft=60000", False)])
    async def test_what_must_not_start_over_ends_once_it_has_begun_to_answer(
        self, settings: Settings, midstream: Midstream, script: str, says: bool
    ) -> None:
        """Before that nobody sees that it starts over."""
        generation_id = await midstream.ask(f"simulator/{script}", on_interrupt="fail")
        async with working(settings.model_copy(update={"lease": 30.0})) as worker:
            await midstream.until(generation_id, said_something if says else bool)
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(worker, 20)
        if says:
            events = await midstream.ended(generation_id, 1)
            assert [event.reason for event in events if isinstance(event, Attempt)] == ["new"]
            assert isinstance(events[-1], Failed)
            assert (events[-1].code, events[-1].retryable) == ("worker_lost", True)
            return
        async with working(settings):
            begun = await midstream.until(generation_id, lambda es: [entry.type for entry in es].count("attempt") > 1)
        events = [decode(entry.type, entry.data) for entry in begun]
        assert [event.reason for event in events if isinstance(event, Attempt)] == ["new", "drained"]

    async def test_a_lost_worker_is_replaced_when_its_lease_runs_out(
        self, settings: Settings, midstream: Midstream
    ) -> None:
        async with working(settings):
            generation_id = await midstream.ask("simulator/lorem?deltas=40&rate=30&seed=5")
            await midstream.until(generation_id, said_something)
        async with working(settings):
            events = await midstream.ended(generation_id)
        attempts = [event for event in events if isinstance(event, Attempt)]
        assert [(a.number, a.reason) for a in attempts] == [(1, "new"), (2, "worker_lost")]
        assert isinstance(events[-1], Completed)


class Paused(Observer):
    """Once a delta is in the log, nothing of this process runs for a lease, as under SIGSTOP.

    That is right after the log's answer, when no write of the generation is on its way.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.events = 0
        """Events in the log at the end of the pause."""

    def appended(self, batch: Batch, reply: Reply, sent: float) -> None:
        if not self.events and any(kind == "delta" for kind, _ in batch.events):
            time.sleep(self._settings.lease * 1.1)
            with BlockingRedis.from_url(self._settings.redis_url) as redis:
                self.events = redis.xlen(GenerationKeys(batch.generation_id).log)


async def test_a_worker_that_was_paused_for_a_lease_gives_up_what_it_ran(
    settings: Settings, midstream: Midstream
) -> None:
    """Another may have had it since, and Redis may have forgotten that: not one more event of the old attempt."""
    paused = Paused(settings)
    async with working(settings, observer=paused):
        generation_id = await midstream.ask("simulator/lorem?deltas=30&rate=40")
        events = await midstream.ended(generation_id)
    attempts = [event.reason for event in events if isinstance(event, Attempt)]
    assert attempts == ["new", "worker_lost"]
    first, *_ = written = await midstream.log.read(generation_id)
    assert len([entry for entry in written if entry.id.token == first.id.token]) == paused.events


class TestTrial:
    """A generation that lost its worker so often that one more time ends it may be what the worker died of."""

    async def ask(self, midstream: Midstream, redis: Any, model: str, pardons: int = 0) -> str:
        generation_id = await midstream.ask(model)
        # As a killed worker's second attempt leaves it.
        lost = {"state": "running", "attempts": 2, "failures": 1, "pardons": pardons}
        await redis.hset(GenerationKeys(generation_id).record, mapping=lost)
        return generation_id

    async def test_alone_it_is_to_blame(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        suspect = await self.ask(midstream, redis, "simulator/lorem?deltas=100&rate=20")
        plain = await midstream.ask("simulator/lorem?deltas=100&rate=20")
        async with working(settings):
            for generation_id in (suspect, plain):
                await midstream.until(generation_id, said_something)
        async with working(settings):
            end = (await midstream.ended(suspect))[-1]
        assert isinstance(end, Failed)
        assert end.code == "worker_lost"

    async def test_beside_each_other_nobody_knows(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        slow = "simulator/lorem?deltas=30&rate=20"
        suspects = [await self.ask(midstream, redis, slow) for _ in range(3)]
        async with working(settings):
            for generation_id in suspects:
                await midstream.until(generation_id, said_something)
        async with working(settings):
            for generation_id in suspects:
                events = await midstream.ended(generation_id)
                assert [e.number for e in events if isinstance(e, Attempt)] == [3, 4]
                assert isinstance(events[-1], Completed)
                record = (await midstream.generations.find(generation_id)).record
                assert record is not None
                assert (record.failures, record.pardons) == (2, 1)

    async def test_the_claim_itself_says_who_is_beside_it(
        self, settings: Settings, midstream: Midstream, redis: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that is killed before it could write a note has told all the same."""

        async def killed(_: Generations, ids: object) -> None: ...

        monkeypatch.setattr(Generations, "note_beside", killed)
        suspects = [await self.ask(midstream, redis, "simulator/lorem?deltas=30&rate=20") for _ in range(2)]
        async with working(settings):
            for generation_id in suspects:
                await midstream.until(generation_id, said_something)
            records = [(await midstream.generations.find(generation_id)).record for generation_id in suspects]
        assert any(record is not None and record.beside for record in records)

    async def test_in_the_end_one_at_a_time(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        """Beside all others, but alone among those whose pardons are used up."""
        slow = "simulator/lorem?deltas=15&rate=20&ttft=1000"
        suspects = [await self.ask(midstream, redis, slow, pardons=settings.max_attempts) for _ in range(3)]
        plain = [await midstream.ask("simulator/lorem?deltas=15&rate=20") for _ in range(3)]
        async with working(settings):
            for generation_id in suspects + plain:
                assert isinstance((await midstream.ended(generation_id))[-1], Completed)
        logs = [await midstream.log.read(generation_id) for generation_id in suspects]
        # From the claim to the first delta: until then, no other begins.
        silent = sorted((log[0].id.token, log[0].id.token + decode(*log[2][1:]).t) for log in logs)
        assert all(spoke <= begun for (_, spoke), (begun, _) in pairwise(silent))
        first = silent[0][1]
        assert all([(await midstream.log.read(i, count=1))[0].id.token < first for i in plain])

    async def test_who_waits_can_be_cancelled(self, settings: Settings, midstream: Midstream, redis: Any) -> None:
        running = await self.ask(midstream, redis, "simulator/lorem?deltas=100&rate=20&ttft=5000", 3)
        async with working(settings):
            await midstream.until(running, bool)
            waiting = await self.ask(midstream, redis, "simulator/lorem")
            await midstream.generations.cancel(waiting)
            assert isinstance((await midstream.ended(waiting, 5))[-1], Cancelled)
            assert (await midstream.generations.ends([running])) == [None]
