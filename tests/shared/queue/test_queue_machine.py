"""The queue's scripts against a small model of them, and an earlier version beside them, in any order of steps."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

import hypothesis.strategies as st
from fakeredis import FakeAsyncRedis
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from shared.config.owner_settings import OwnerSettings
from shared.config.settings import Settings
from shared.queue.queue import Queue
from shared.storage.keys import LEASED_KEY, QUEUE_KEY
from tests.contract.line_index import EarlierVersion, flaws

T = TypeVar("T")
OWNERS = ("a", "b", "c", "d")
OWN = {"a": OwnerSettings(weight=2), "b": OwnerSettings(weight=0.5), "c": OwnerSettings(max_running=1)}
MAX_RUNNING = 4
LEASE_S = 600.0
PICK = st.integers(min_value=0, max_value=1_000_000)


def _own(owner: str) -> OwnerSettings:
    return OWN.get(owner, OwnerSettings())


class Model:
    """What start-time fair queueing says, without Redis."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {owner: [] for owner in OWNERS}
        self.running: dict[str, list[str]] = {owner: [] for owner in OWNERS}
        self.expired: list[str] = []
        self.starts: dict[str, float] = {}
        """Of those that wait, and of those that are ahead of the time."""
        self.full: set[str] = set()
        """Who was passed over, as it has as many running as it may."""
        self.time = 0.0

    def enqueue(self, job: str, owner: str) -> None:
        if not self.lines[owner]:
            self.starts[owner] = max(self.time, self.starts.get(owner, 0.0))
        self.lines[owner] = sorted([*self.lines[owner], job])

    def remove(self, job: str, owner: str) -> None:
        self.lines[owner].remove(job)
        if not self.lines[owner]:
            self.full.discard(owner)

    def end(self, job: str, owner: str) -> None:
        self.running[owner].remove(job)
        if owner in self.full:
            self.full.remove(owner)
            self.starts[owner] = max(self.time, self.starts[owner])

    def take(self, most: int) -> list[str]:
        jobs, self.expired = self.expired[:most], self.expired[most:]
        while len(jobs) < most:
            waiting = [owner for owner in OWNERS if self.lines[owner] and owner not in self.full]
            if not waiting:
                break
            owner = min(waiting, key=lambda one: (self.starts[one], one))
            if len(self.running[owner]) >= (_own(owner).max_running or MAX_RUNNING):
                self.full.add(owner)
                continue
            self.running[owner].append(job := self.lines[owner].pop(0))
            cost = 1 / _own(owner).weight
            self.time = max(self.starts[owner], self.time + cost / (len(waiting) + 1))
            self.starts[owner] += cost
            jobs.append(job)
        return jobs

    def all_running(self) -> list[tuple[str, str]]:
        return [(job, owner) for owner in OWNERS for job in self.running[owner] if job not in self.expired]


class QueueMachine(RuleBasedStateMachine):
    """One worker and any number of owners; no time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis: Any = FakeAsyncRedis(version=(7, 0))
        self.queue = Queue(self.redis, Settings(lease=LEASE_S, max_running=MAX_RUNNING, owners=OWN))
        self.model = Model()
        self.number = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.look()
        self.run(self.redis.aclose())
        self.runner.close()

    @rule(owner=st.sampled_from(OWNERS), count=st.integers(min_value=1, max_value=6))
    def enqueue(self, owner: str, count: int) -> None:
        for _ in range(count):
            job = f"{self.number:06}"
            self.number += 1
            assert self.run(self.queue.enqueue(job, owner=owner))
            self.model.enqueue(job, owner)

    @rule(most=st.integers(min_value=0, max_value=5))
    def take(self, most: int) -> None:
        jobs = [job for job, _ in self.run(self.queue.take("w", most=most)).jobs]
        assert jobs == self.model.take(most)

    @precondition(lambda self: self.model.all_running())
    @rule(pick=PICK, back=st.booleans())
    def finish(self, pick: int, back: bool) -> None:
        running = self.model.all_running()
        job, owner = running[pick % len(running)]
        assert not self.run(self.queue.finish("other", job, "done"))
        assert self.run(self.queue.finish("w", job, "back" if back else "done"))
        self.model.end(job, owner)
        if back:
            self.model.enqueue(job, owner)

    @precondition(lambda self: self.model.all_running())
    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        running = [job for job, _ in self.model.all_running()]
        assert self.run(self.queue.renew("w", running[: pick % len(running)])) == []

    @precondition(lambda self: self.model.all_running())
    @rule(pick=PICK)
    def lose(self, pick: int) -> None:
        """A lease runs out."""
        running = self.model.all_running()
        job, _ = running[pick % len(running)]
        self.number += 1
        for key in (QUEUE_KEY, LEASED_KEY):
            self.run(self.redis.zadd(key, {job: self.number}))
        self.model.expired.append(job)

    @precondition(lambda self: any(self.model.lines.values()))
    @rule(pick=PICK)
    def remove(self, pick: int) -> None:
        waiting = [(job, owner) for owner in OWNERS for job in self.model.lines[owner]]
        job, owner = waiting[pick % len(waiting)]
        running = [job for job, _ in self.model.all_running()]
        assert self.run(self.queue.remove([job, *running])) == 1
        self.model.remove(job, owner)

    @rule()
    def look(self) -> None:
        assert self.run(flaws(self.redis)) == []
        for owner in OWNERS:
            for at, job in enumerate(self.model.lines[owner][:3], 1):
                assert self.run(self.queue.position(job)) == at
        for job, _ in self.model.all_running():
            assert self.run(self.queue.position(job)) is None


class MixedMachine(RuleBasedStateMachine):
    """An earlier version beside this one. In the end each job was had by one worker at a time, and none is left."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis: Any = FakeAsyncRedis(version=(7, 0))
        self.queue = Queue(self.redis, Settings(lease=LEASE_S, max_running=MAX_RUNNING, owners=OWN))
        self.earlier = EarlierVersion(self.redis, int(LEASE_S * 1000))
        self.mine: set[str] = set()
        self.theirs: set[str] = set()
        self.waiting: set[str] = set()
        self.number = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @rule(owner=st.sampled_from(OWNERS), earlier=st.booleans())
    def enqueue(self, owner: str, earlier: bool) -> None:
        job = f"{self.number:06}"
        self.number += 1
        self.run(self.earlier.enqueue(job) if earlier else self.queue.enqueue(job, owner=owner))
        self.waiting.add(job)

    @rule(most=st.integers(min_value=1, max_value=4))
    def take(self, most: int) -> None:
        self.had({job for job, _ in self.run(self.queue.take("w", most=most)).jobs}, self.mine)

    @rule()
    def take_earlier(self) -> None:
        job = self.run(self.earlier.take("v"))
        self.had({job} if job else set(), self.theirs)

    def had(self, jobs: set[str], whose: set[str]) -> None:
        assert jobs <= self.waiting
        self.waiting -= jobs
        whose |= jobs

    @precondition(lambda self: self.mine)
    @rule(pick=PICK, back=st.booleans())
    def finish(self, pick: int, back: bool) -> None:
        job = sorted(self.mine)[pick % len(self.mine)]
        self.mine.remove(job)
        assert self.run(self.queue.finish("w", job, "back" if back else "done"))
        self.waiting |= {job} if back else set()

    @precondition(lambda self: self.theirs)
    @rule(pick=PICK, back=st.booleans())
    def finish_earlier(self, pick: int, back: bool) -> None:
        job = sorted(self.theirs)[pick % len(self.theirs)]
        self.theirs.remove(job)
        self.run(self.earlier.give_back(job) if back else self.earlier.finish(job))
        self.waiting |= {job} if back else set()

    @precondition(lambda self: self.theirs)
    @rule()
    def renew_earlier(self) -> None:
        for job in self.theirs:
            self.run(self.earlier.renew(job))

    def teardown(self) -> None:
        for job in sorted(self.theirs):
            self.run(self.earlier.finish(job))
        for _ in range(self.number + 5):
            for job in sorted(self.mine):
                assert self.run(self.queue.finish("w", job, "done"))
            self.mine.clear()
            self.run(self.sweep())
            self.take(100)
        assert not self.waiting | self.mine
        assert self.run(self.redis.exists(QUEUE_KEY)) == 0
        self.run(self.redis.aclose())
        self.runner.close()

    async def sweep(self) -> None:
        for entry in await self.queue.indexes.pending(count=1000):
            if entry.queued and not entry.in_line:
                await self.queue.enqueue(entry.id, owner="swept")


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=30, stateful_step_count=30)
TestMixed = MixedMachine.TestCase
TestMixed.settings = settings(max_examples=30, stateful_step_count=30)


def test_the_model_gives_each_its_weight() -> None:
    """As a model that is wrong would agree with scripts that are."""
    model = Model()
    for owner in OWNERS:
        for at in range(100):
            model.enqueue(f"{at:03}{owner}", owner)
    served = dict.fromkeys(OWNERS, 0)
    for _ in range(91):
        (job,) = model.take(1)
        served[job[-1]] += 1
        model.end(job, job[-1])
    shares = {owner: served[owner] / _own(owner).weight for owner in OWNERS}
    assert math.isclose(min(shares.values()), max(shares.values()), abs_tol=2), served
