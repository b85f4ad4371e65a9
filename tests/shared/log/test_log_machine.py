"""Promises 1, 2 and 4 under any interleaving: claims, lost replies, zombies, a rolled-back Redis, cancel, viewers.

The model knows the promises only: an id means the same bytes for ever, a log is dense within each attempt and only the
newest attempt writes, the first terminal event is the last event, a viewer has seen exactly a prefix of the log. Where
Redis was rolled back, it may have seen more of an attempt that was made void, but of the newest exactly a prefix.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.entry import Entry
from shared.log.events import ORIGIN, TERMINAL_TYPES, EventId
from shared.log.guarded_log import ClaimOutcome, Log, Reply, WriteOutcome
from shared.queue.queue import Queue
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import accept, completed, delta
from worker.writing.writer import Writer

T = TypeVar("T")
PICK = st.integers(min_value=0, max_value=1_000_000)


async def restored() -> bool:
    return True


class Viewer:
    """Reads the log from its cursor, as the API does."""

    def __init__(self) -> None:
        self.seen: list[Entry] = []

    @property
    def cursor(self) -> EventId:
        return self.seen[-1].id if self.seen else ORIGIN


class LogMachine(RuleBasedStateMachine):
    """One generation, any number of workers that believe it is theirs, and Redis as the only judge."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis: Any = FakeAsyncRedis(version=(7, 0))
        defaults = Settings(max_attempts=1000)
        self.log = Log(self.redis)
        self.generations = Generations(self.redis, Queue(self.redis, defaults), defaults)
        self.id = self.run(accept(self.generations, ttl_ms=10_000_000))
        self.keys = GenerationKeys(self.id)
        self.writers: list[Writer] = []
        self.viewers = [Viewer(), Viewer()]
        self.bytes: dict[EventId, tuple[str, bytes]] = {}
        self.newest = 0
        self.rolled_back = False
        self.steps = 0
        """Ends come late: a sealed log is the dullest state."""
        self.history = [self.run(self.state())]

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.runner.close()

    async def state(self) -> tuple[dict[bytes, bytes], list[Any]]:
        return await self.redis.hgetall(self.keys.record), await self.redis.xrange(self.keys.log)

    def entries(self) -> list[Entry]:
        return self.run(self.log.read(self.id, count=100_000))

    def changed(self) -> None:
        self.steps += 1
        self.history.append(self.run(self.state()))

    # Workers

    @precondition(lambda self: len(self.writers) < 4)
    @rule()
    def claim(self) -> None:
        sealed = any(entry.type in TERMINAL_TYPES for entry in self.entries())
        claim = self.run(self.log.claim(self.id, model="m", provider="p", ttl_ms=10_000_000))
        assert (claim.start is ClaimOutcome.SEALED) == sealed
        if claim.owned:
            # Not one that the rolled-back Redis gave before, either.
            assert all(claim.token > writer.token for writer in self.writers)
            self.newest = claim.token
            self.writers.append(
                Writer(self.id, claim, max_log=1_000_000, dirty=lambda _: None, restore=restored, stop=lambda _: None)
            )
        self.changed()

    @precondition(lambda self: self.writers and self.steps > 10)
    @rule(pick=PICK)
    def finish(self, pick: int) -> None:
        self.say(pick, ["last"], end=True)
        self.flush(self.writers[pick % len(self.writers)])

    def say(self, pick: int, texts: list[str], *, end: bool) -> None:
        writer = self.writers[pick % len(self.writers)]
        if writer.outcome is None and not getattr(writer, "finished", False):
            for text in texts:
                writer.put(delta(text))
            if end:
                writer.put(completed())
                writer.finished = True  # type: ignore[attr-defined]

    @rule(pick=PICK, text=st.sampled_from(["a", "b\n", "é", "\U0001f600"]), reply_lost=st.booleans())
    def append(self, pick: int, text: str, reply_lost: bool) -> None:
        if not self.writers:
            self.claim()
        if not self.writers:
            return  # the log is sealed
        self.say(pick, [text], end=False)
        self.flush(self.writers[pick % len(self.writers)], reply_lost)

    @precondition(lambda self: self.writers)
    @rule(pick=PICK, reply_lost=st.booleans())
    def append_again(self, pick: int, reply_lost: bool) -> None:
        self.flush(self.writers[pick % len(self.writers)], reply_lost)

    def flush(self, writer: Writer, reply_lost: bool = False) -> None:
        batch = writer.batch(0)
        if batch is None:
            return
        before = self.entries()
        reply: Reply = self.run(self.log.append(batch))
        after = self.entries()
        if reply.outcome is WriteOutcome.OK:
            assert writer.token >= self.newest, "a superseded attempt wrote"
            self.newest = writer.token
            assert not any(entry.type in TERMINAL_TYPES for entry in before), "a sealed log grew"
        else:
            assert after == before, "a refused append left something"
        if not reply_lost:
            writer.settle(batch, reply)
        self.changed()

    @precondition(lambda self: any(writer.outcome is WriteOutcome.OK for writer in self.writers))
    @rule()
    def look_again(self) -> None:
        for writer in self.writers:
            if writer.outcome is WriteOutcome.OK:
                writer.recheck()
                self.flush(writer)

    # Everybody else

    @precondition(lambda self: self.steps > 15)
    @rule()
    def cancel(self) -> None:
        self.run(self.generations.cancel(self.id))
        self.changed()

    @rule()
    def sync(self) -> None:
        """Redis' file is on disk: nothing before this can be lost."""
        self.history = self.history[-1:]
        self.writers = [writer for writer in self.writers if writer.outcome is not WriteOutcome.OK]

    @rule(pick=PICK)
    def roll_back(self, pick: int) -> None:
        """Redis was killed and came back as it was at some moment since it last synced."""
        # A restart takes longer than claims are ahead of the clock, each of which may be by 1 ms.
        time.sleep(0.002 * (1 + len(self.writers)))
        self.rolled_back = True
        self.history = self.history[: 1 + pick % len(self.history)]
        record, entries = self.history[-1]
        self.run(self.restore(record, entries))
        # Lost claims may be restored by their workers, in the order of their tokens.
        self.newest = int(record[b"token"])

    async def restore(self, record: dict[bytes, bytes], entries: list[Any]) -> None:
        await self.redis.delete(self.keys.record, self.keys.log)
        await self.redis.hset(self.keys.record, mapping=record)
        for entry_id, fields in entries:
            await self.redis.xadd(self.keys.log, fields, id=entry_id)

    @rule(pick=PICK, count=st.integers(1, 5))
    def view(self, pick: int, count: int) -> None:
        viewer = self.viewers[pick % len(self.viewers)]
        if viewer.seen and not self.run(self.log.holds(self.id, viewer.cursor)):
            if self.ahead(viewer):
                return  # the API waits here: the worker is about to send these events again
            viewer.seen = []  # reset, said aloud
        viewer.seen += self.run(self.log.read(self.id, viewer.cursor, count=count))
        seen, whole = viewer.seen, self.entries()
        if self.rolled_back:
            # The claim of the newest attempt may have been restored on less than it was made on.
            seen, whole = ([entry for entry in log if entry.id.token == viewer.cursor.token] for log in (seen, whole))
        assert seen == whole[: len(seen)]

    def ahead(self, viewer: Viewer) -> bool:
        entries = self.entries()
        sealed = bool(entries) and entries[-1].type in TERMINAL_TYPES
        return not sealed and viewer.cursor > (entries[-1].id if entries else ORIGIN)

    # The promises

    @invariant()
    def the_log_is_whole(self) -> None:
        entries = self.entries()
        before = ORIGIN
        for entry in entries:
            assert self.bytes.setdefault(entry.id, (entry.type, entry.data)) == (entry.type, entry.data)
            following = EventId(before.token, before.seq + 1)
            assert entry.id == following or (entry.id.token > before.token and entry.id.seq == 0)
            before = entry.id
        assert not any(entry.type in TERMINAL_TYPES for entry in entries[:-1])

    @rule()
    def a_viewer_resumes_at_every_id(self) -> None:
        whole = self.entries()
        for index, entry in enumerate(whole):
            assert self.run(self.log.read(self.id, entry.id, count=100_000)) == whole[index + 1 :]


LogMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_the_log_keeps_its_promises = LogMachine.TestCase
