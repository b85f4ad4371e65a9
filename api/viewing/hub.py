"""The hub: one tail for each watched generation, one subscriber connection and one clock for all viewers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine

from api.supervisor import logger, supervised
from api.viewing.broadcast import VIEWERS_PER_ROUND
from api.viewing.dialect import Dialect
from api.viewing.log_follower import LogFollower
from api.viewing.replay_pages import ReplayPages
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.storage.keys import GenerationKeys
from shared.storage.subscriber import Subscriber

MAX_UNWATCHED_BYTES = 32_000_000
"""Most bytes of the frames of tails without a watcher, as they were when the last one left."""


class Hub:
    """Lends out tails; a tail lives as long as somebody watches it, and a little longer."""

    def __init__(self, log: Log, generations: Generations, settings: Settings, dialect: Dialect) -> None:
        self.log = log
        self.generations = generations
        self.settings = settings
        self.dialect = dialect
        self.catch_up_s = generations.durability.catch_up_s
        self.linger_s = 5.0
        """Seconds a tail outlives its last watcher, who may come back: longer than the `retry` that viewers get."""
        self.viewers: set[Viewer] = set()
        self.pages = ReplayPages(log, dialect)
        self.direct = False
        """Whether viewers' connections are taken over from the HTTP server."""
        self.leaving = False
        """Whether the process was told to end: `/livez` says so, and soon `drain` follows."""
        self._subscriber = Subscriber(log.redis, timeout=settings.redis_timeout)
        self._tails: dict[str, Tail] = {}
        self._watchers: dict[Tail, int] = {}
        # Tails that nobody watches, in the order in which they were left: when each ends, and its bytes.
        self._unwatched: dict[Tail, tuple[asyncio.TimerHandle, int]] = {}
        self._unwatched_bytes = 0
        self._runs: dict[Tail, tuple[LogFollower, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def tails(self) -> int:
        """Returns how many generations are being watched."""
        return len(self._watchers)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the subscriber and the clock."""
        async with supervised("subscriber", self._subscriber.run), supervised("viewers' clock", self._tick):
            yield
        for task in self._tasks:
            task.cancel()
        for tail in list(self._unwatched):
            self._close(tail)

    def watches(self, generation_id: str) -> bool:
        """Says whether somebody watches this generation."""
        return self._tails.get(generation_id) in self._watchers

    def acquire(self, generation_id: str) -> Tail:
        """Returns the generation's tail; to be released."""
        tail = self._tails.get(generation_id)
        unwatched = tail in self._unwatched
        # Where nobody watched, a Redis that came back older may have lost the end that we have seen.
        if tail is None or tail.known.gone or (unwatched and tail.known.ended):
            tail = self._open(generation_id)
        elif unwatched:
            self._return(tail)
        self._watchers[tail] = self._watchers.get(tail, 0) + 1
        return tail

    def release(self, tail: Tail) -> None:
        """Counts one watcher less; without any the tail lingers, or ends."""
        self._watchers[tail] -= 1
        if self._watchers[tail]:
            return
        del self._watchers[tail]
        end = asyncio.get_running_loop().call_later(self.linger_s, self._close, tail)
        self._unwatched[tail] = (end, tail.frames.size)
        self._unwatched_bytes += tail.frames.size
        if tail.known.ended or self._draining:
            self._close(tail)
        while self._unwatched_bytes > MAX_UNWATCHED_BYTES:
            self._close(next(iter(self._unwatched)))

    def _return(self, tail: Tail) -> None:
        """Removes a tail from those that nobody watches."""
        end, size = self._unwatched.pop(tail)
        self._unwatched_bytes -= size
        end.cancel()

    def _open(self, generation_id: str) -> Tail:
        follower = LogFollower(generation_id, self.log, self.generations, check=self.settings.heartbeat)
        tail = Tail(generation_id, follower.known, self.dialect, window=self.settings.flush_window)
        self._tails[generation_id] = tail
        self._runs[tail] = follower, asyncio.create_task(follower.run())
        self._subscriber.subscribe(GenerationKeys(generation_id).channel, follower)
        return tail

    def _close(self, tail: Tail) -> None:
        self._return(tail)
        follower, run = self._runs.pop(tail)
        run.cancel()
        tail.known.forget_listeners()
        self._subscriber.unsubscribe(GenerationKeys(tail.generation_id).channel, follower)
        if self._tails.get(tail.generation_id) is tail:
            del self._tails[tail.generation_id]

    def join(self, viewer: Viewer) -> None:
        """Adds a viewer, which from now on gets heartbeats, the stall limit and the drain."""
        self.viewers.add(viewer)
        viewer.draining = self._draining

    def leave(self, viewer: Viewer, tail: Tail | None) -> None:
        self.viewers.discard(viewer)
        if tail is not None:
            self.release(tail)

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Runs a viewer's coroutine in a task of its own."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drain(self) -> None:
        """Tells every viewer that this node is going away; their streams end."""
        if self.viewers:
            logger.info("sending %d viewers elsewhere", len(self.viewers))
        self._draining = True
        for viewer in list(self.viewers):
            viewer.drain()

    def cut(self) -> None:
        """Ends the connections of the viewers that are still here, at once."""
        for viewer in list(self.viewers):
            viewer.cut()

    async def _tick(self) -> None:
        interval = min(1.0, self.settings.heartbeat / 4, self.settings.viewer_stall / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(interval)
            for number, viewer in enumerate(list(self.viewers), 1):
                viewer.tick(loop.time())
                if number % VIEWERS_PER_ROUND == 0:
                    await asyncio.sleep(0)
