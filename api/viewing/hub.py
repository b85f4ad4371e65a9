"""The hub: one follower for each watched log, one subscriber connection and one clock for all viewers."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Coroutine

from api.counting.audience import Audience
from api.observer import Observer
from api.supervisor import logger, supervised
from api.viewing.backlog import send_backlog
from api.viewing.broadcast import VIEWERS_PER_ROUND
from api.viewing.dialect import BaseDialect, Dialect, Subject, Telling
from api.viewing.granted import Granted
from api.viewing.log_follower import LogFollower
from api.viewing.looks import Looks
from api.viewing.projection import Standing, is_long, last_standing
from api.viewing.replay_pages import ReplayPages
from api.viewing.send_times import SendTimes
from api.viewing.tail import Tail
from api.viewing.tail_waiter import TailWaiter
from api.viewing.viewer import Viewer
from api.viewing.watched_log import WatchedLog
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.generations.watchable import read_watchable
from shared.log.guarded_log import Log
from shared.record import Record
from shared.storage.keys import VIEWERS_CHANNEL, GenerationKeys
from shared.storage.subscriber import Subscriber

MAX_UNWATCHED_BYTES = 32_000_000
"""Most bytes of the frames of logs without a watcher, as they were when the last one left."""


class Hub:
    """Lends out tails; they live as long as somebody watches their log, and a little longer."""

    def __init__(
        self,
        log: Log,
        generations: Generations,
        settings: Settings,
        dialect: BaseDialect,
        observer: Observer | None = None,
        times: SendTimes | None = None,
    ) -> None:
        self.log = log
        self.observer = observer or Observer()
        self._times = times
        self.generations = generations
        self.settings = settings
        self.dialect = dialect
        self.catch_up_s = generations.durability.catch_up_s
        self.linger_s = 5.0
        """Seconds a tail outlives its last watcher, who may come back: longer than the `retry` that viewers get."""
        self.viewers: set[Viewer] = set()
        self.audience = Audience(generations, settings, dialect.viewers)
        self.granted = Granted()
        self.pages = ReplayPages(log, dialect)
        self.looks = Looks(functools.partial(read_watchable, log.redis))
        self.direct = False
        """Whether viewers' connections are taken over from the HTTP server."""
        self.leaving = False
        """Whether the process was told to end: `/livez` says so, and soon `drain` follows."""
        self.subscriber = Subscriber(log.redis, timeout=settings.redis_timeout)
        self._logs: dict[str, WatchedLog] = {}
        # Whose log each tail is: by its id there may be a newer one.
        self._log_of: dict[Tail, WatchedLog] = {}
        # Logs that nobody watches, in the order in which they were left: when each ends, and its bytes.
        self._unwatched: dict[WatchedLog, tuple[asyncio.TimerHandle, int]] = {}
        self._unwatched_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def tails(self) -> int:
        """Returns how many generations are being watched."""
        return len(set(self._log_of.values()) - self._unwatched.keys())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the subscriber and the clock, and counts viewers."""
        self.subscriber.subscribe(VIEWERS_CHANNEL, self.audience)
        async with (
            self.audience.running(),
            supervised("subscriber", self.subscriber.run),
            supervised("viewers' clock", self._tick),
        ):
            yield
        for task in self._tasks:
            task.cancel()
        for log in list(self._unwatched):
            self._close(log)

    def watches(self, generation_id: str) -> bool:
        """Says whether somebody watches this generation."""
        log = self._logs.get(generation_id)
        return log is not None and log not in self._unwatched

    def acquire(self, generation_id: str, dialect: Dialect | None = None, subject: Subject | None = None) -> Tail:
        """Returns the generation's tail in a dialect, the base one where none is given; to be released."""
        log = self._logs.get(generation_id)
        unwatched = log in self._unwatched
        # Where nobody watched, a Redis that came back older may have lost the end that we have seen.
        if log is None or log.follower.known.gone or (unwatched and log.follower.known.ended):
            log = self._open(generation_id)
        elif unwatched:
            self._return(log)
        log.watchers += 1
        tail = log.tail if dialect is None or subject is None else log.in_dialect(dialect, subject)
        self._log_of[tail] = log
        return tail

    async def epoch(self, told: Telling, record: Record) -> int:
        """Returns the epoch that stands now. Raises redis.exceptions.RedisError or, after a while, TimeoutError."""
        return 1 if record.attempts <= 1 else (await self.standing(told, record)).epoch

    async def standing(self, told: Telling, record: Record) -> Standing:
        """Returns what stands now. Raises redis.exceptions.RedisError or, after a while, TimeoutError."""
        if is_long(record) and not self.watches(record.id):
            return await last_standing(self.log, record.id, told, record.page)
        tail = self.acquire(record.id, *told)
        try:
            async with asyncio.timeout(self.settings.redis_timeout * 2):
                await TailWaiter(tail).until(lambda: tail.loaded or tail.failed or tail.known.gone)
            known = tail.known.state is not None and not tail.failed
            return Standing(tail.epoch, tail.frames.count if known else None)
        finally:
            self.release(tail)

    async def ended(self, generation_id: str) -> bool:
        """Waits until a generation has its end, or is gone; returns False where this node goes away before that."""
        tail = self.acquire(generation_id)
        try:
            await TailWaiter(tail).until(lambda: self._draining or (tail.known.loaded and tail.known.ended))
            return tail.known.ended
        finally:
            self.release(tail)

    def release(self, tail: Tail) -> None:
        """Counts one watcher less; without any the log lingers, or ends."""
        log = self._log_of[tail]
        log.watchers -= 1
        if log.watchers:
            return
        size = log.size
        end = asyncio.get_running_loop().call_later(self.linger_s, self._close, log)
        self._unwatched[log] = (end, size)
        self._unwatched_bytes += size
        if log.follower.known.ended or self._draining:
            self._close(log)
        while self._unwatched_bytes > MAX_UNWATCHED_BYTES:
            self._close(next(iter(self._unwatched)))

    def _return(self, log: WatchedLog) -> None:
        """Removes a log from those that nobody watches."""
        end, size = self._unwatched.pop(log)
        self._unwatched_bytes -= size
        end.cancel()

    def _open(self, generation_id: str) -> WatchedLog:
        follower = LogFollower(
            generation_id, self.log, self.generations, check=self.settings.heartbeat, times=self._times
        )
        log = WatchedLog(generation_id, follower, self.dialect, self.log, window=self.settings.flush_window)
        self._logs[generation_id] = log
        self.subscriber.subscribe(GenerationKeys(generation_id).channel, follower)
        return log

    def _close(self, log: WatchedLog) -> None:
        self._return(log)
        log.close()
        for tail in log.tails.values():
            self._log_of.pop(tail, None)
        self.subscriber.unsubscribe(GenerationKeys(log.generation_id).channel, log.follower)
        if self._logs.get(log.generation_id) is log:
            del self._logs[log.generation_id]

    def join(self, viewer: Viewer) -> None:
        """Adds a viewer, which from now on gets heartbeats, the stall limit and the drain."""
        self.viewers.add(viewer)
        self.granted.add(viewer.grant, viewer)
        viewer.draining = self._draining

    def grant(self, viewer: Viewer, grant: str) -> None:
        """Notes what has let a viewer in that joined before it was asked for that."""
        if viewer in self.viewers:
            viewer.grant = grant
            self.granted.add(grant, viewer)

    def leave(self, viewer: Viewer, tail: Tail | None) -> None:
        self.viewers.discard(viewer)
        if viewer.counted is not None:
            self.audience.leave(viewer.counted, viewer)
        if viewer.seat is not None:
            viewer.seat.leave()
        self.granted.discard(viewer.grant, viewer)
        if tail is not None:
            self.release(tail)

    def run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Runs a viewer's coroutine in a task of its own, which it returns."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def send_backlog(self, viewer: Viewer, tail: Tail, position: int) -> asyncio.Task[None]:
        return self.run(send_backlog(self.log, viewer, tail, position))

    def drain(self) -> None:
        """Tells every viewer that this node is going away; their streams end."""
        if self.viewers:
            logger.info("sending %d viewers elsewhere", len(self.viewers))
        self._draining = self.audience.leaving = True
        for tail in list(self._log_of):
            tail.changed()  # for who waits for an end
        for viewer in list(self.viewers):
            viewer.drain()

    def cut(self) -> None:
        """Ends the connections of the viewers that are still here, at once."""
        for viewer in list(self.viewers):
            viewer.cut("drain")

    async def _tick(self) -> None:
        interval = min(1.0, self.settings.heartbeat / 4, self.settings.viewer_stall / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(interval)
            for number, viewer in enumerate(list(self.viewers), 1):
                viewer.tick(loop.time())
                if number % VIEWERS_PER_ROUND == 0:
                    await asyncio.sleep(0)
