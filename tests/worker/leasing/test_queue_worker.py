"""The queue's end in the worker: forged jobs, lost wake-ups, and a Redis that restarts while idle and while busy."""

from __future__ import annotations

import asyncio
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from arq.constants import job_key_prefix
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Attempt, Completed, Failed
from shared.log.guarded_log import Log
from shared.queue.queue import Queue
from shared.storage.connections import connect
from shared.storage.keys import LEASES_KEY, PENDING_KEY, QUEUE_KEY, WAKE_KEY
from tests.worker.conftest import Eventually, Midstream, said_something, working


class Evil:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


async def test_a_forged_pickle_has_no_effect(
    settings: Settings, midstream: Midstream, redis: Redis, tmp_path: Path, eventually: Eventually
) -> None:
    trap = tmp_path / "trap"
    forged = pickle.dumps({"f": "generate", "a": (Evil(trap),), "k": {}, "t": 1, "et": 1})
    await redis.set(job_key_prefix + "evil", forged)
    await redis.zadd(QUEUE_KEY, {"evil": 1})
    async with working(settings):

        async def dropped() -> bool:
            return await redis.zscore(QUEUE_KEY, "evil") is None

        await eventually(dropped)
        assert isinstance(
            (await midstream.ended(await midstream.ask("simulator/lorem?deltas=2&rate=0")))[-1], Completed
        )
    assert not trap.exists()
    assert pickle.loads(forged)  # it would have worked
    assert trap.exists()


async def test_a_forged_payload_does_not_lose_the_generation_it_names(
    settings: Settings, midstream: Midstream, redis: Redis
) -> None:
    generation_id = await midstream.ask("simulator/lorem?deltas=2&rate=0")
    await redis.set(job_key_prefix + generation_id, b"\x80garbage")
    async with working(settings):
        assert isinstance((await midstream.ended(generation_id))[-1], Completed)


async def test_arguments_never_reach_the_log_lines(
    settings: Settings, midstream: Midstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("arq").setLevel(logging.WARNING)
    async with working(settings):
        prompt = "a-secret-prompt"
        await midstream.ended(await midstream.ask("simulator/echo", messages=[{"role": "user", "content": prompt}]))
        await midstream.ended(await midstream.ask("simulator/lorem?fault=badjson@1&deltas=3"))
    assert "secret" not in "".join(
        record.getMessage() for record in caplog.records if record.name.partition(".")[0] in ("midstream", "arq")
    )


async def test_a_worker_ends_only_after_the_last_step_of_its_jobs(
    settings: Settings, midstream: Midstream, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which arq shields; it would connect to Redis again after the worker has closed its connections."""
    finishing, go_on, finish = asyncio.Event(), asyncio.Event(), Queue.finish

    async def later(*args: Any) -> None:
        finishing.set()
        await go_on.wait()
        await finish(*args)

    monkeypatch.setattr(Queue, "finish", later)
    async with working(settings) as worker:
        generation_id = await midstream.ask("simulator/lorem?deltas=2&rate=0")
        await finishing.wait()
        worker.cancel()
        ended, _ = await asyncio.wait({worker}, timeout=0.2)
        go_on.set()
        await asyncio.wait({worker})
    assert not ended
    assert not await redis.hexists(LEASES_KEY, generation_id)  # type: ignore[misc]  # redis-py: for both of its clients


async def test_no_wake_up_is_needed(settings: Settings, midstream: Midstream, redis: Redis) -> None:
    async with working(settings):
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=2&rate=0"))
        generation_id = await midstream.ask("simulator/lorem?deltas=2&rate=0")
        await redis.delete(WAKE_KEY)
        assert isinstance((await midstream.ended(generation_id, 10))[-1], Completed)


async def test_no_more_than_its_concurrency(settings: Settings, midstream: Midstream, redis: Any) -> None:
    async with working(settings.model_copy(update={"concurrency": 2})):
        ids = [await midstream.ask("simulator/lorem?deltas=10&rate=20") for _ in range(5)]
        most = 0
        while (left := await redis.zcard(QUEUE_KEY)) > 0:
            most = max(most, await redis.hlen(LEASES_KEY))
            await asyncio.sleep(0.02)
        assert (most, left) == (2, 0)
        for generation_id in ids:
            assert isinstance((await midstream.ended(generation_id))[-1], Completed)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_a_redis_restart_is_survived(
    settings: Settings, simulator_url: str, tmp_path: Path, busy: bool, eventually: Eventually
) -> None:
    async with Valkey(tmp_path / "data", config={"appendfsync": "always"}) as valkey:
        own = settings.model_copy(update={"redis_url": valkey.url})
        redis = connect(valkey.url, timeout=5)
        queue = Queue(redis, own)
        midstream = Midstream(Generations(redis, queue, own), Log(redis), simulator_url)
        async with working(own):
            before = await midstream.ask(
                "simulator/lorem?deltas=120&rate=40&seed=3" if busy else "simulator/lorem?rate=0"
            )
            await midstream.until(before, said_something)
            if not busy:
                await midstream.ended(before)
            await valkey.kill()
            await asyncio.sleep(0.5)
            await valkey.start()
            events = await midstream.ended(before)
            assert isinstance(events[-1], Completed)
            assert sum(isinstance(event, Attempt) for event in events) == 1
            after = await midstream.ask("simulator/lorem?deltas=2&rate=0")
            assert isinstance((await midstream.ended(after))[-1], Completed)

            async def empty() -> bool:
                return not await redis.exists(QUEUE_KEY, PENDING_KEY)

            await eventually(empty)
        await redis.aclose()


async def test_what_redis_forgot_as_a_whole_is_restored_by_its_worker(
    settings: Settings, midstream: Midstream, redis: Redis, eventually: Eventually
) -> None:
    async with working(settings):
        running = await midstream.ask("simulator/lorem?deltas=80&rate=40")
        quiet = await midstream.ask(
            "simulator/lorem?deltas=9&rate=0&fault=stall@4", idle_timeout=5, on_interrupt="fail"
        )
        before = [await midstream.until(generation_id, said_something) for generation_id in (running, quiet)]
        await redis.flushall()
        events = await midstream.ended(running)
        assert isinstance(events[-1], Completed)
        assert sum(isinstance(event, Attempt) for event in events) == 1
        silent = await midstream.until(quiet, said_something)
        assert silent[: len(before[1])] == before[1]
        assert (await midstream.generations.find(running)).owner == "local"


async def test_a_redis_without_memory_ends_what_runs_and_takes_it_again_later(
    settings: Settings, simulator_url: str, tmp_path: Path
) -> None:
    async with Valkey(tmp_path / "data") as valkey:
        own = settings.model_copy(update={"redis_url": valkey.url})
        redis = connect(valkey.url, timeout=5)
        midstream = Midstream(Generations(redis, Queue(redis, own), own), Log(redis), simulator_url)
        async with working(own):
            long = await midstream.ask("simulator/lorem?deltas=9999&rate=40")
            short = await midstream.ask("simulator/lorem?deltas=40&rate=40")
            for generation_id in (long, short):
                await midstream.until(generation_id, said_something)
            await redis.config_set("maxmemory", "1")
            with pytest.raises(OutOfMemoryError):
                await midstream.ask("simulator/lorem")
            failed = (await midstream.ended(long))[-1]
            assert isinstance(failed, Failed)
            assert failed.code == "storage_full"
            assert isinstance((await midstream.ended(short))[-1], Completed)
            await redis.config_set("maxmemory", "0")
            again = await midstream.ask("simulator/lorem?deltas=2&rate=0")
            assert isinstance((await midstream.ended(again))[-1], Completed)
        await redis.aclose()
