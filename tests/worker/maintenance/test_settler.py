"""What follows a seal, and what Redis forgot, holds up nobody's deltas; and one writer's failure is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import ConnectionError, ReadOnlyError, ResponseError

from shared.backoff import Backoff
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.generations import Generations
from shared.log import events
from shared.log.events import Delta
from shared.log.guarded_log import ClaimOutcome, Log, WriteOutcome
from shared.queue.queue import Queue
from shared.record import Acceptance
from shared.storage.keys import PENDING_KEY, GenerationKeys
from tests.contract.accepting import accept, claim, completed, delta
from worker.maintenance import settler as settler_module
from worker.maintenance.settler import Settler
from worker.writing import writer as writer_module
from worker.writing.appender import Appender
from worker.writing.observer import Observer
from worker.writing.writer import StopReason, Writer


class Worker:
    """An appender and a settler, of which the queue's Redis can be frozen."""

    def __init__(self, remembered_s: float) -> None:
        self.redis: Any = FakeAsyncRedis(version=(7, 0))
        settings = Settings()
        durability = Durability(settings.lease, sync_s=0.025, remembered_s=remembered_s)
        self.log = Log(self.redis)
        self.generations = Generations(self.redis, Queue(self.redis, settings, durability), settings)
        self.answers = asyncio.Event()
        self.answers.set()
        self.refuses: Exception | None = None
        self.settled: list[list[str]] = []
        self.packed: list[str] = []
        self.stopped: list[StopReason] = []
        self.settler = Settler(self.settle, durability, self.packed.extend)
        self.appender = Appender(self.log, max_log=1_000_000, running_ttl=60, settler=self.settler, observer=Observer())

    async def settle(self, ids: list[str], ended: list[Any]) -> list[Any]:
        await self.answers.wait()
        if self.refuses is not None:
            raise self.refuses
        self.settled.append(ids)
        return await self.generations.queue.indexes.settle(ids, ended)

    async def open(self, restore: Callable[[], Awaitable[bool]] | None = None) -> Writer:
        generation_id = await accept(self.generations)
        found = await self.generations.find(generation_id, request=True)
        assert found.record is not None
        accepted = found.record.accepted(found.request, found.asked)

        async def restored() -> bool:
            await self.answers.wait()
            return await self.generations.restore(accepted)

        start = await claim(self.log, generation_id)
        return self.appender.open(generation_id, start, restore=restore or restored, stop=self.stopped.append)

    async def ended(self) -> Writer:
        """A writer that sealed its log."""
        writer = await self.open()
        writer.put(completed())
        await within(writer.caught_up())
        self.appender.close(writer)
        return writer

    async def forget(self, writer: Writer) -> None:
        """As a Redis that came back without it."""
        keys = GenerationKeys(writer.generation_id)
        await self.redis.delete(keys.record, keys.log, keys.tombstone)


async def within(work: Awaitable[Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        await work


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def remembered_s() -> float:
    return 60.0


@pytest.fixture
async def worker(remembered_s: float) -> AsyncIterator[Worker]:
    worker = Worker(remembered_s)
    tasks = [asyncio.create_task(part.run()) for part in (worker.appender, worker.settler)]
    yield worker
    assert not any(task.done() for task in tasks), "the loop that serves all goes on"
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await worker.redis.aclose()


async def test_a_frozen_queue_holds_up_no_delta(worker: Worker) -> None:
    worker.answers.clear()
    ended, running = await worker.ended(), await worker.open()
    await until(lambda: worker.settler._settling)
    assert worker.packed == [ended.generation_id], "packing needs only the log"
    for _ in range(3):
        running.put(delta("a"))
        await within(running.caught_up(), 2)
    drained = asyncio.create_task(worker.settler.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    worker.answers.set()
    await within(drained)
    assert await worker.redis.zscore(PENDING_KEY, ended.generation_id) is None


async def test_a_record_is_restored_beside_the_others_deltas(worker: Worker) -> None:
    forgotten, running = await worker.open(), await worker.open()
    await worker.forget(forgotten)
    worker.answers.clear()
    forgotten.put(delta("a"))
    await until(lambda: bool(worker.appender._restoring))
    forgotten.put(delta("b"))
    for _ in range(3):
        running.put(delta("a"))
        await within(running.caught_up(), 2)
    worker.answers.set()
    await within(forgotten.caught_up())
    assert [entry.type for entry in await worker.log.read(forgotten.generation_id)] == ["attempt", "delta", "delta"]


async def test_a_record_is_restored_once_the_queue_is_back(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.appender.restore_retry_s = 0.002
    tries = 0
    accepted: list[Acceptance] = []

    async def restore() -> bool:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionError("away")
        return await worker.generations.restore(accepted[0])

    writer = await worker.open(restore)
    found = await worker.generations.find(writer.generation_id, request=True)
    assert found.record is not None
    accepted.append(found.record.accepted(found.request, found.asked))
    await worker.forget(writer)
    writer.put(delta("a"))
    await within(writer.caught_up())
    assert (tries, writer.outcome) == (3, None)


async def test_a_closed_writer_is_restored_no_more(worker: Worker) -> None:
    worker.answers.clear()
    writer = await worker.open()
    await worker.forget(writer)
    writer.put(delta("a"))
    await until(lambda: bool(worker.appender._restoring))
    worker.appender.close(writer)
    assert not worker.appender._restoring
    worker.answers.set()


@pytest.mark.parametrize("error", [RecursionError(), ValueError("a prompt")])
async def test_what_cannot_be_encoded_ends_its_own_generation(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    encode = events.encode

    def fails(event: Any) -> bytes:
        if isinstance(event, Delta) and event.delta == "poison":
            raise error
        return encode(event)

    monkeypatch.setattr(writer_module, "encode", fails)
    bad, good = await worker.open(), await worker.open()
    bad.put(delta("poison"))
    good.put(delta("a"))
    await within(good.caught_up())
    await until(lambda: worker.stopped == ["defect"])
    assert "prompt" not in caplog.text
    bad.put(completed())
    await within(bad.caught_up())
    assert bad.outcome is WriteOutcome.OK


async def test_an_end_that_cannot_be_encoded_is_another_one(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = events.encode

    def fails(event: Any) -> bytes:
        if event.type == "completed":
            raise RecursionError
        return encode(event)

    monkeypatch.setattr(writer_module, "encode", fails)
    writer = await worker.open()
    writer.put(completed())
    await until(lambda: writer.outcome is not None)
    record = (await worker.generations.find(writer.generation_id)).record
    assert record is not None
    assert record.state == "failed"
    last = await worker.log.last(writer.generation_id)
    assert last is not None
    assert b"internal_error" in last.data


async def test_an_answer_that_is_not_understood_ends_its_own_generation(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, bad = Writer.settle, await worker.open()

    def fails(self: Writer, *arguments: Any) -> None:
        if self is bad:
            raise AssertionError("what was answered")
        settle(self, *arguments)

    monkeypatch.setattr(Writer, "settle", fails)
    good = await worker.open()
    for writer in (bad, good):
        writer.put(delta("a"))
    await within(good.caught_up())
    await until(lambda: bad.outcome is WriteOutcome.FENCED)
    assert worker.stopped == ["defect", "lease"]


@pytest.mark.parametrize("remembered_s", [0.05])
async def test_an_outage_of_any_length_is_outlived(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is away for far more tries than a log's own errors are counted, and has forgotten the end.

    Neither does it count that its disk is full, at which what has not ended is given up.
    """
    assert worker.generations.durability.max_refusals == 2
    worker.appender.full_disk_s = 0.0
    worker.appender.backoff = Backoff(first=0.001, cap=0.001)
    writer = await worker.open()
    keys = GenerationKeys(writer.generation_id)
    before = await worker.redis.hgetall(keys.record)
    writer.put(completed())
    await within(writer.caught_up())
    whole = await worker.log.read(writer.generation_id)
    append, tries = worker.log.append_all, 0

    async def away(*_: Any, **__: Any) -> Any:
        nonlocal tries
        tries += 1
        worker.settler.answered()  # it looks at each
        if not tries % 3:
            raise ConnectionError("away")
        return [ReadOnlyError("a replica") if tries % 3 == 1 else ResponseError("MISCONF it cannot write")]

    monkeypatch.setattr(worker.log, "append_all", away)
    worker.appender.close(writer)
    await until(lambda: tries > 20)
    await worker.redis.delete(keys.record, keys.log)
    await worker.redis.hset(keys.record, mapping=before)
    monkeypatch.setattr(worker.log, "append_all", append)
    await within(worker.settler.drained())
    assert await worker.log.read(writer.generation_id) == whole
    assert (await claim(worker.log, writer.generation_id)).start is ClaimOutcome.SEALED


@pytest.mark.parametrize("remembered_s", [0.075])
async def test_a_log_that_only_has_errors_of_its_own_is_forgotten(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worker.generations.durability.max_refusals == 3
    worker.appender.backoff = Backoff(first=0.001, cap=0.001)
    writer = await worker.open()
    writer.put(completed())
    await within(writer.caught_up())
    keys = GenerationKeys(writer.generation_id)
    await worker.redis.delete(keys.record)
    await worker.redis.set(keys.record, "not a record")
    worker.appender.close(writer)
    await within(worker.settler.drained())
    assert await worker.redis.zscore(PENDING_KEY, writer.generation_id) is not None, "it is left to the sweeper"


async def test_the_queue_is_told_again_after_an_outage(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.refuses = ConnectionError("away")
    writer = await worker.ended()
    await until(lambda: worker.settler._settling)
    worker.refuses = None
    await within(worker.settler.drained())
    assert worker.settled == [[writer.generation_id]]


@pytest.mark.parametrize("error", [ResponseError("WRONGTYPE"), ValueError("a defect")])
async def test_what_the_queue_cannot_take_is_the_sweepers_and_holds_up_no_other(
    worker: Worker, error: Exception
) -> None:
    worker.refuses = error
    writer = await worker.ended()
    await within(worker.settler.drained())
    worker.refuses = None
    other = await worker.ended()
    await within(worker.settler.drained())
    assert worker.settled == [[other.generation_id]]
    assert await worker.redis.zscore(PENDING_KEY, writer.generation_id) is not None


async def test_what_waits_for_the_queue_is_bounded(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "MAX_WAITING", 2)
    settler = Settler(worker.settle, worker.generations.durability)
    worker.appender._settler = settler
    task = asyncio.create_task(settler.run())
    worker.answers.clear()
    first = await worker.ended()
    await until(lambda: settler._settling)
    others = [await worker.ended() for _ in range(5)]
    await until(lambda: not (settler._lingering or settler._looking))
    worker.answers.set()
    await within(settler.drained())
    assert worker.settled == [[first.generation_id], [writer.generation_id for writer in others[-2:]]]
    task.cancel()
    await asyncio.wait([task])
