"""A watched log: its follower, and a tail for each dialect in which it is being watched."""

import asyncio

from api.viewing.dialect import Dialect, Subject
from api.viewing.log_follower import LogFollower
from api.viewing.tail import Tail
from shared.log.guarded_log import Log


class WatchedLog:
    """Reads one log once for all its tails.

    The base tail is always there; those of other dialects are made when they are first wanted. `watchers` is how many
    watch, in whatever dialect.
    """

    __slots__ = ("_feeding", "_log", "_run", "_window", "follower", "tail", "tails", "watchers")

    def __init__(self, generation_id: str, follower: LogFollower, base: Dialect, log: Log, *, window: float) -> None:
        self.follower = follower
        self.watchers = 0
        self.tail = Tail(Subject(generation_id), follower.known, base, window=window)
        self.tail.listen()
        self.tails: dict[str, Tail] = {base.name: self.tail}
        self._log, self._window = log, window
        self._run = asyncio.create_task(follower.run())
        self._feeding: set[asyncio.Task[None]] = set()

    @property
    def generation_id(self) -> str:
        """Returns the id of the generation whose log this is."""
        return self.tail.generation_id

    @property
    def size(self) -> int:
        """Returns the bytes of the frames in all dialects."""
        return sum(tail.frames.size for tail in self.tails.values())

    def in_dialect(self, dialect: Dialect, subject: Subject) -> Tail:
        """Returns the tail in a dialect; where there is none yet, it is made of what the log has."""
        tail = self.tails.get(dialect.name)
        if tail is None:
            tail = self.tails[dialect.name] = Tail(subject, self.follower.known, dialect, window=self._window)
            task = asyncio.create_task(tail.feed(self.tail, self._log))
            self._feeding.add(task)
            task.add_done_callback(self._feeding.discard)
        return tail

    def close(self) -> None:
        """Ends the follower, and lets go of all tails."""
        self._run.cancel()
        for task in self._feeding:
            task.cancel()
        self.follower.known.forget_listeners()
