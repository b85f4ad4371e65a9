"""A provider with a bound of calls has no more at a time, over all workers; who waits waits in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from midstream.processes.valkey import Valkey
from shared.config.provider_settings import ProviderSettings, built_in
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Completed, Failed
from shared.storage.connections import connect
from shared.storage.keys import LEASES_KEY, circuit_key, provider_key, provider_waiting_key
from tests.e2e.viewers import ask, parse, watch
from tests.harness.processes import Process, Stack
from tests.worker.conftest import Eventually, Midstream, working
from worker.running.provider_places import ProviderPlaces

PLACES, WAITING = provider_key("few"), provider_waiting_key("few")
LEASE_S = 0.6


def few(most: int = 1) -> dict[str, ProviderSettings]:
    """A provider with a bound, and one without."""
    endpoint = ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9/v1")
    return {"few": endpoint.model_copy(update={"max_concurrent": most}), "many": endpoint}


class Caller:
    """A call that goes on until it is told to end."""

    def __init__(self, places: ProviderPlaces) -> None:
        self.began, self.ends = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._call(places))

    async def _call(self, places: ProviderPlaces) -> None:
        async with places.place("few"):
            self.began.set()
            await self.ends.wait()

    async def begins(self) -> None:
        async with asyncio.timeout(10):
            await self.began.wait()

    async def end(self) -> None:
        self.ends.set()
        await self.task


@asynccontextmanager
async def worker(redis: Redis, most: int = 1, lease: float = LEASE_S) -> AsyncIterator[ProviderPlaces]:
    """One worker's places, renewed."""
    places = ProviderPlaces(redis, few(most), lease)
    task = asyncio.create_task(places.run())
    yield places
    task.cancel()
    await asyncio.wait({task})
    await places.left()


async def test_one_without_a_bound_costs_nothing() -> None:
    nowhere: Any = None
    places = ProviderPlaces(nowhere, {"many": few()["many"]}, LEASE_S)
    assert isinstance(places.place("many"), nullcontext)
    assert isinstance(places.place("unknown"), nullcontext)
    await places.run()


async def test_two_workers_share_the_bound(redis: Redis) -> None:
    async with worker(redis, 2) as one, worker(redis, 2) as other:
        first, second = Caller(one), Caller(other)
        await asyncio.gather(first.begins(), second.begins())
        waiting = [Caller(one), Caller(other)]
        await asyncio.sleep(3 * LEASE_S)
        assert not any(caller.began.is_set() for caller in waiting)
        await first.end()
        done, _ = await asyncio.wait(
            [asyncio.create_task(caller.began.wait()) for caller in waiting],
            return_when=asyncio.FIRST_COMPLETED,
            timeout=10,
        )
        assert len(done) == 1
        await asyncio.sleep(0.3)
        assert sum(caller.began.is_set() for caller in waiting) == 1
        await second.end()
        for caller in waiting:
            await caller.begins()
            await caller.end()
    assert await redis.exists(PLACES, WAITING) == 0


async def test_who_has_waited_longest_comes_first_whichever_worker_it_is_on(redis: Redis) -> None:
    order: list[int] = []
    async with worker(redis) as one, worker(redis) as other:
        holder = Caller(one)
        await holder.begins()

        async def waiting(number: int, places: ProviderPlaces) -> None:
            async with places.place("few"):
                order.append(number)

        tasks = []
        for number, places in enumerate([other, one, one, other, one, other]):
            tasks.append(asyncio.create_task(waiting(number, places)))
            await asyncio.sleep(0.15)
        await holder.end()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert order == [0, 1, 2, 3, 4, 5]


async def test_however_many_wait_one_asks(redis: Redis) -> None:
    async with worker(redis) as places:
        holder = Caller(places)
        await holder.begins()
        waiting = [Caller(places) for _ in range(300)]
        await asyncio.sleep(0.3)
        assert await redis.zcard(WAITING) == 1
        before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        await asyncio.sleep(1)
        assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before < 40
        for caller in waiting:
            caller.task.cancel()
        await asyncio.wait([caller.task for caller in waiting])
        await holder.end()
        last = Caller(places)
        await last.begins()
        await last.end()


async def test_a_dead_workers_places_are_free_after_a_lease(redis: Redis) -> None:
    dead = ProviderPlaces(redis, few(), LEASE_S)  # nobody renews its places
    held, waited = Caller(dead), Caller(dead)
    await held.begins()
    async with worker(redis) as living:
        waiting = Caller(living)
        await asyncio.sleep(LEASE_S / 2)
        assert not waiting.began.is_set()
        waited.task.cancel()
        await asyncio.wait({waited.task})
        await waiting.begins()
        await waiting.end()
    await held.end()
    await dead.left()


async def test_one_that_stops_waiting_leaves_nothing(redis: Redis) -> None:
    async with worker(redis) as places:
        holder, leaving, last = Caller(places), Caller(places), Caller(places)
        await holder.begins()
        await asyncio.sleep(0.2)
        leaving.task.cancel()
        await asyncio.wait({leaving.task})
        await holder.end()
        await last.begins()
        await last.end()
    assert await redis.exists(PLACES, WAITING) == 0


async def test_a_clock_that_was_set_back_keeps_nobody_out(redis: Redis) -> None:
    now = time.time() * 1000
    await redis.zadd(PLACES, {"gone/1": now + 86_400_000})
    async with worker(redis) as places:
        caller = Caller(places)
        await caller.begins()
        await caller.end()


async def test_without_redis_each_worker_keeps_to_the_bound_by_itself(tmp_path: Path) -> None:
    async with Valkey(tmp_path) as valkey:
        redis = connect(valkey.url, timeout=1, retries=0)
        async with worker(redis) as places, worker(redis) as other:
            before = Caller(places)
            await before.begins()
            await valkey.kill()
            waiting, elsewhere = Caller(places), Caller(other)
            await elsewhere.begins()
            assert not waiting.began.is_set()
            await before.end()
            await waiting.begins()
            await valkey.start()
            # It counts again once it is renewed.
            async with asyncio.timeout(10):
                while await redis.zcard(PLACES) < 2:
                    await asyncio.sleep(0.05)
            await waiting.end()
            await elsewhere.end()
        await redis.aclose()


def most_at_once(rows: Sequence[dict[str, Any]]) -> int:
    """How many requests a provider had at a time, by the simulator's journal."""
    moments = [(row["received_us"], 1) for row in rows] + [(row["ended_us"], -1) for row in rows]
    open_now = most = 0
    for _, step in sorted(moments):
        open_now += step
        most = max(most, open_now)
    return most


@pytest.fixture
def bounded(settings: Settings) -> Settings:
    """The simulator's providers take two calls at a time."""
    entries = built_in(settings.simulator_url)
    providers = {name: entry.model_copy(update={"max_concurrent": 2}) for name, entry in entries.items()}
    return settings.model_copy(update={"providers": providers})


@pytest.mark.parametrize("provider", ["simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini"])
async def test_a_provider_is_not_flooded(bounded: Settings, midstream: Midstream, key: str, provider: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(working(bounded))
        ids = [await midstream.ask(f"{provider}/lorem?deltas=20&rate=100&key={key}") for _ in range(8)]
        ended = await asyncio.gather(*(midstream.ended(generation_id) for generation_id in ids))
        assert all(isinstance(events[-1], Completed) for events in ended)
        rows = await midstream.requests(key, lambda rows: all(row["how"] for row in rows))
    assert (len(rows), most_at_once(rows)) == (8, 2)


async def test_while_it_waits_a_generation_can_be_cancelled_and_meets_its_deadline(
    bounded: Settings, midstream: Midstream, generations: Generations, redis: Redis, eventually: Eventually
) -> None:
    async with working(bounded):
        holding = [await midstream.ask("simulator/lorem?deltas=9999&rate=50") for _ in range(2)]
        for generation_id in holding:
            await midstream.until(generation_id, lambda es: any(e.type == "delta" for e in es))
        late = await midstream.ask("simulator/lorem", deadline=0.5)
        cancelled = await midstream.ask("simulator/lorem")
        await midstream.until(cancelled, bool)
        await generations.cancel(cancelled)
        events = await midstream.ended(cancelled)
        assert isinstance(events[-1], Cancelled)
        assert [event.type for event in events] == ["attempt", "cancelled"]
        failed = (await midstream.ended(late))[-1]
        assert isinstance(failed, Failed)
        assert failed.code == "deadline_exceeded"
        assert not await redis.exists(circuit_key("simulator/lorem"))
        for generation_id in holding:
            await generations.cancel(generation_id)
            await midstream.ended(generation_id)

        async def given_up() -> bool:
            return not await redis.exists(provider_key("simulator"), provider_waiting_key("simulator"))

        await eventually(given_up)


async def test_a_worker_that_drains_hands_over_what_waits(bounded: Settings, midstream: Midstream) -> None:
    async with working(bounded.model_copy(update={"lease": 30.0})) as draining:
        holding = [await midstream.ask("simulator/lorem?deltas=60&rate=30") for _ in range(2)]
        for generation_id in holding:
            await midstream.until(generation_id, lambda es: any(e.type == "delta" for e in es))
        waiting = await midstream.ask("simulator/lorem?deltas=3&rate=0")
        await midstream.until(waiting, bool)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(draining, 20)
    async with working(bounded):
        for generation_id in [waiting, *holding]:
            assert isinstance((await midstream.ended(generation_id))[-1], Completed)


class FewCalls(Stack):
    """A Stack whose workers know the simulator as a provider of one call at a time."""

    async def routes(self, process: Process) -> dict[str, str]:
        entry = {"protocol": "openai-chat", "base_url": f"{self.simulator_url}/v1", "max_concurrent": 1}
        return {"MIDSTREAM_PROVIDERS": json.dumps({"few": entry})}


@pytest.mark.timeout(240)
async def test_a_killed_workers_place_is_another_workers(tmp_path: Path, key: str) -> None:
    async with FewCalls(tmp_path, workers=2) as stack, httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        redis = connect(stack.valkey.url, timeout=5)
        api = stack.apis[0].url
        first = await ask(http, api, f"few/lorem?deltas=60&rate=30&key={key}")
        async with asyncio.timeout(20):
            while not (held := await redis.hget(LEASES_KEY, first)):  # type: ignore[misc]
                await asyncio.sleep(0.02)
        while await redis.zcard(PLACES) < 1:
            await asyncio.sleep(0.02)
        others = [await ask(http, api, f"few/lorem?deltas=3&rate=0&key={key}") for _ in range(4)]
        while await redis.zcard(WAITING) < 1:
            await asyncio.sleep(0.02)
        os.kill(int(held.split(b":")[1]), signal.SIGKILL)
        for generation_id in [first, *others]:
            events = parse(await watch(api, generation_id))
            assert events[-1][1] == "completed"
        rows = (await http.get(f"{stack.simulator_url}/journal", params={"key": key})).json()
        assert most_at_once([row for row in rows if row["ended_us"]]) == 1
        await redis.aclose()
