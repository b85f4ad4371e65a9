"""The worker's side of the queue: arq's worker, its job format, `run_job` and hooks, with leases instead of polling.

As it comes, arq polls, and learns of a killed worker only after the longest job timeout: right for short jobs, not for
streams of minutes. So taking, renewing and finishing are the queue's Lua scripts, and a blocking pop wakes the worker.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from arq.connections import ArqRedis
from arq.worker import Retry, Worker, func
from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.config.settings import Settings
from shared.queue.queue import JOB_NAME, NO_LEASES, Queue, decode_job, encode_job, tell_other_lease
from shared.queue.workers import Workers, beats_each, counts_for
from shared.storage.clock import ServerClock
from shared.storage.keys import QUEUE_KEY
from shared.storage.outage import level
from worker.leasing.wake_ups import LOOK_INTERVAL_S, WakeUps
from worker.running.generation_end import JobEnd
from worker.running.running_generations import RunningGenerations

logger = logging.getLogger("midstream.worker")

T = TypeVar("T")

POP_TIMEOUT_S = 1.0
"""Seconds of one blocking pop; after each the queue is looked at anyway, as a wake-up is only a hint."""
MAX_JOBS_PER_TAKE = 100
"""Jobs that are taken in one step."""
MAX_FINISH_RETRIES = 2
"""Times that the end of a job is tried again; then its lease runs out."""
WEEK_S = 604_800
LOST_AFTER_LEASES = 3
"""Leases without a renewal after which a worker stops its provider calls, unless a Redis of the log's own answers.

Not one: most failed renewals are a Redis that restarts, for everybody, and then the text so far is worth keeping. The
log fences whoever is wrong about that.
"""


class QueueWorker(Worker):
    """Takes jobs as there is room, renews all their leases by one command, finishes them only while it owns them."""

    def __init__(
        self,
        name: str,
        queue: Queue,
        blocking: Queue,
        generator: RunningGenerations,
        settings: Settings,
        *,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            functions=[func(self._generate, name=JOB_NAME, timeout=WEEK_S, max_tries=sys.maxsize, keep_result=0)],
            redis_pool=ArqRedis(
                queue.redis.connection_pool,
                job_serializer=encode_job,
                job_deserializer=decode_job,
                default_queue_name=QUEUE_KEY,
            ),
            queue_name=QUEUE_KEY,
            handle_signals=False,
            max_jobs=settings.concurrency,
            keep_result=0,
            job_serializer=encode_job,
            job_deserializer=decode_job,
            log_results=False,
        )
        self.name = name
        self.queue = queue
        self.generator = generator
        self.lease = settings.lease
        self._leased_until: dict[str, float] = {}
        self._left: set[str] = set()
        self._finishing: set[asyncio.Task[Any]] = set()
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()
        self._idle = False
        self._not_renewing = asyncio.Event()
        self._not_renewing.set()
        self._began = began
        self._hold: tuple[float, int] | None = None
        """Until when (time.monotonic) only what was enqueued since this ms (Redis' clock) is taken."""
        self._doubt: tuple[float, int] | None = None
        """Until when leases that ran out before this ms are left alone: their holders may just have had no way to renew
        them, or the clock was set."""
        self._queue_apart = settings.queue_apart
        self._run_id: str | None = None
        """Of the queue's Redis, when it was last looked at."""
        self._answered = time.monotonic()
        """When the queue last answered a take, a wait or a renewal."""
        # A Redis that was silent for this long may have kept other workers from renewing.
        self._late_s = min(settings.redis_timeout, settings.lease / 3)
        self._wake_ups = WakeUps(blocking, self._late_s)
        self._ahead_ms: tuple[float, float] | None = None
        """Redis' clock less this process' monotonic one, at least and at most."""
        self.backoff = Backoff(first=0.1, cap=1.0)
        self._workers = Workers(queue.redis, settings.lease)

    @property
    def leases(self) -> int:
        """Returns how many leases it holds."""
        return len(self._leased_until)

    async def _generate(self, ctx: dict[str, Any], generation_id: str) -> None:
        try:
            end = await self.generator.run(generation_id, lambda: self._leased_until.get(generation_id, 0.0))
        except RedisError as error:
            logger.warning("%s: %s, tried again when the lease has run out", generation_id, type(error).__name__)
            end = JobEnd.LEFT
        if end is JobEnd.BACK:
            raise Retry
        if end is JobEnd.LEFT:
            self._left.add(generation_id)

    async def finish_job(self, job_id: str, finish: bool, *_: Any) -> None:
        """Finishes a job in the queue, in place of arq's last step: only the lease's owner may do so."""
        if task := asyncio.current_task():
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)
        left = job_id in self._left
        self._left.discard(job_id)
        self._leased_until.pop(job_id, None)
        if left:
            return
        backoff = Backoff(first=0.1, cap=0.5)
        while True:
            try:
                # A renewal under way names this job, and would take back the lease that is given up here.
                await self._not_renewing.wait()
                await self.queue.finish(self.name, job_id, "done" if finish else "back")
                return
            except RedisError as error:
                if backoff.failures == MAX_FINISH_RETRIES:
                    # The lease runs out, and whoever takes the job then finds the log sealed.
                    logger.warning("%s: not finished in the queue (%s)", job_id, type(error).__name__)
                    return
                await backoff.wait()

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """Finishes a job that arq cannot run (no or unreadable payload). What is pending, the sweeper enqueues."""
        await self.finish_job(job_id, True)

    async def main(self) -> None:
        """Takes jobs and renews leases until `drain`; calls `began` when Redis has answered and the taking begins."""
        await self._hold_off_after_restart()
        await self._compare_lease()
        await self._beat()
        self._began()
        try:
            async with asyncio.TaskGroup() as tasks:
                beating = tasks.create_task(self._keep_beating())
                renewing = tasks.create_task(self._renew())
                taking = tasks.create_task(self._take())
                await self._stopping.wait()
                if self._idle:
                    taking.cancel()  # never in the middle of taking: those jobs would wait for their leases to run out
                await asyncio.wait({taking})
                await self._wake_ups.close()  # the next wake-up is another worker's
                while self.tasks:
                    await asyncio.wait(self.tasks.values())
                renewing.cancel()
                beating.cancel()
        finally:
            for task in self.tasks.values():
                task.cancel()
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)
            # arq shields the last step of a job, which goes on without the job's task.
            await asyncio.gather(*self._finishing, return_exceptions=True)
            await self._wake_ups.close()

    async def _compare_lease(self) -> None:
        with suppress(RedisError):
            if (other_ms := await self.queue.compare_lease()) is not None:
                tell_other_lease(logger, self.lease, other_ms)

    async def _beat(self) -> None:
        with suppress(RedisError):
            # Once it stops, nothing is taken any more: those that wait should not count on it.
            if self._stopping.is_set():
                await self._workers.leave(self.name)
            else:
                await self._workers.beat(self.name, counts_for(self.lease), self.max_jobs)

    async def _keep_beating(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(beats_each(self.lease)):
                    await self._stopping.wait()
            await self._beat()
            if self._stopping.is_set():
                return

    async def drain(self, seconds: float) -> None:
        """Takes nothing more, lets generations finish for so many seconds, then hands the rest over."""
        self._stopping.set()
        deadline = time.monotonic() + seconds
        while self.tasks and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(self.tasks.values(), timeout=left)
        self.generator.stop_all("drain")

    async def _take(self) -> None:
        while not self._stopping.is_set():
            room = self.max_jobs - len(self.tasks)
            if room <= 0:
                await self._idly(self._has_room())
                continue
            started = time.monotonic()
            most = min(room, MAX_JOBS_PER_TAKE)
            try:
                taken = await self.queue.take(
                    self.name,
                    most=most,
                    since_ms=self._since_ms(),
                    until_ms=self._until_ms(started),
                    leased_since_ms=self._leased_since_ms(),
                )
            except RedisError as error:
                await self._recover(error)
                continue
            self.backoff.reset()
            was_set = self._see_clock(taken.now_ms, started)
            self._answered = time.monotonic()
            for job_id, score in taken.jobs:
                self._start(job_id, score, started + self.lease)
            if taken.late:
                if not was_set:
                    self._doubt_leases()
            elif len(taken.jobs) < most:
                await self._wait(min(POP_TIMEOUT_S, max(0.01, (taken.next_ms or 1000) / 1000)))

    async def _wait(self, seconds: float) -> None:
        """Waits until the next look at the queue is due. Wake-ups are only hints: that none can come is no failure."""
        began = time.monotonic()
        unbroken = await self._idly(self._wake_ups.wait(seconds))
        waited = time.monotonic() - began
        if not self._wake_ups.is_down:
            self._answered = time.monotonic()
        if waited > seconds + self._late_s + LOOK_INTERVAL_S:
            # Redis was paused, or we were: leases may have run out that nobody could renew.
            self._doubt_leases()
        if not unbroken:
            await self._look_for_restart()

    def _doubt_leases(self) -> None:
        """Leaves all expired leases alone for one lease: a holder that had no way to renew its own takes it back."""
        self._doubt = (time.monotonic() + self.lease, NO_LEASES)

    async def _idly(self, wait: Awaitable[T]) -> T:
        self._idle = True
        try:
            return await wait
        finally:
            self._idle = False

    async def _has_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    def _start(self, job_id: str, score: int, leased_until: float) -> None:
        self._leased_until[job_id] = leased_until
        if job_id in self.tasks:
            return  # our own lease had run out, and we have it again
        task = self.tasks[job_id] = self.loop.create_task(self.run_job(job_id, score))
        task.add_done_callback(lambda task: self._ended(job_id, task))

    def _ended(self, job_id: str, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(job_id, None)
        self._leased_until.pop(job_id, None)
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            logger.warning("%s: job ended by %s, tried again when the lease has run out", job_id, type(error).__name__)

    async def _renew(self) -> None:
        renewed = time.monotonic()
        pause = self.lease / 3
        while True:
            await asyncio.sleep(pause)
            mine = list(self._leased_until)
            started = time.monotonic()
            self._not_renewing.clear()
            try:
                lost = await self.queue.renew(self.name, mine) if mine else []
            except RedisError as error:
                logger.log(level(error), "leases not renewed (%s)", type(error).__name__)
                self._doubt_leases()  # others could not renew theirs either
                pause = min(0.2, self.lease / 10)  # at once when it is back, before anyone takes them
                if started - renewed > LOST_AFTER_LEASES * self.lease and not await self._log_answers():
                    self.generator.stop_all("lease")
                continue
            finally:
                self._not_renewing.set()
            pause = self.lease / 3
            renewed = started
            if mine:
                self._answered = time.monotonic()
            for job_id in mine:
                if job_id in self._leased_until:
                    self._leased_until[job_id] = started + self.lease
            for job_id in lost:
                self._leased_until.pop(job_id, None)
                self.generator.stop(job_id, "lease")

    async def _log_answers(self) -> bool:
        """Says whether only the queue is away, on its own Redis: then the log still says whose each generation is."""
        if not self._queue_apart:
            return False
        try:
            await self.generator.services.log.redis.ping()
        except RedisError:
            return False
        return True

    def give_up_expired(self) -> None:
        """Stops what this worker no longer leases by its own clock: it was paused, and may be the last to know."""
        now = time.monotonic()
        for job_id, until in list(self._leased_until.items()):
            if now > until:
                self.generator.give_up(job_id)

    async def _recover(self, error: RedisError) -> None:
        """Backs off until Redis answers, then holds off: for one lease it takes only what is enqueued from now on.

        What was there before may be leased by a worker whose lease Redis has forgotten, or which had no way to renew
        it; that worker takes it back in that time. A Redis that did not restart has forgotten nothing, so only its
        leases are left alone, and only where it was away for longer than what a lease has to spare. Nothing is taken
        before Redis has answered: one that was paused would run the take first of all.
        """
        while not self._stopping.is_set():
            logger.log(level(error), "queue unreachable (%s)", type(error).__name__)
            await self.backoff.wait()
            sent = time.monotonic()
            try:
                server = await self.queue.server()
            except RedisError as again:
                error = again
            else:
                # Of one without INFO nobody can tell whether it restarted.
                self._go_on(server, sent, restarted=server.run_id is None or server.run_id != self._run_id)
                return

    async def _look_for_restart(self) -> None:
        """Looks whether Redis has restarted: the broken connection for wake-ups may be the only sign of it, or none."""
        sent = time.monotonic()
        try:
            server = await self.queue.server()
        except RedisError as error:
            await self._recover(error)
        else:
            self._go_on(server, sent, restarted=server.run_id != self._run_id)

    def _go_on(self, server: ServerClock, sent: float, *, restarted: bool) -> None:
        self._see_clock(server.now_ms, sent)
        if restarted:
            self._hold = (time.monotonic() + self.lease, server.now_ms)
        elif time.monotonic() - self._answered > self._late_s:
            self._doubt_leases()
        self._run_id = server.run_id

    async def _hold_off_after_restart(self) -> None:
        sent = time.monotonic()
        try:
            server = await self.queue.server()
        except RedisError as error:
            await self._recover(error)
            return
        self._run_id = server.run_id
        self._see_clock(server.now_ms, sent)
        if left_ms := server.left_ms(self.queue.lease_ms):
            self._hold = (time.monotonic() + left_ms / 1000, server.began_ms)
        # What ran out longer ago did so while nobody was there to take it, or the clock was set just now.
        self._doubt = (time.monotonic() + self.lease, server.now_ms - self.queue.lease_ms)

    def _see_clock(self, now_ms: int, sent: float) -> bool:
        """Says whether Redis' clock was set since it was last seen, by more than a lease, in either direction.

        Then leases that seem to have run out, or to be far from it, are left alone for one lease, in which their
        holders renew.
        """
        answered, before = time.monotonic(), self._ahead_ms
        least, most = self._ahead_ms = (now_ms - answered * 1000, now_ms - sent * 1000)
        lease_ms = self.lease * 1000
        if before is None or (least <= before[1] + lease_ms and most >= before[0] - lease_ms):
            return False
        logger.warning("Redis' clock was set by about %+.0f s", (least - before[0]) / 1000)
        self._doubt_leases()
        return True

    def _until_ms(self, sent: float) -> int | None:
        """Returns the time (ms of Redis' clock) from which on nobody waits for a reply to what is sent at `sent`.

        `sent` is of time.monotonic. Returns None where Redis' clock is not known yet.
        """
        # Without wake-ups nothing else shows that Redis is paused.
        late_s = self._late_s / 2 if self._wake_ups.is_down else self._late_s
        return int((sent + late_s) * 1000 + self._ahead_ms[0]) if self._ahead_ms is not None else None

    def _since_ms(self) -> int | None:
        if self._hold is not None and time.monotonic() > self._hold[0]:
            self._hold = None
        return self._hold[1] if self._hold else None

    def _leased_since_ms(self) -> int | None:
        if self._doubt is not None and time.monotonic() > self._doubt[0]:
            self._doubt = None
        return self._doubt[1] if self._doubt else None
