"""A tail: one log in one dialect, framed once for all its viewers."""

from api.viewing.broadcast import Broadcast
from api.viewing.dialect import Dialect
from api.viewing.frames import Frames
from api.viewing.known_log import KnownLog
from shared.log.entry import RawEntry


class Tail:
    """Listens to a log's KnownLog, holds the frames of its events, and broadcasts them.

    One log may have several tails, each in another dialect. `window` is the least seconds from one round of the
    broadcast to the next.
    """

    __slots__ = ("_dialect", "broadcast", "frames", "generation_id", "known", "line")

    def __init__(self, generation_id: str, known: KnownLog, dialect: Dialect, *, window: float = 0.0) -> None:
        self.generation_id = generation_id
        self.known = known
        self.frames = Frames(dialect)
        self.broadcast = Broadcast(known, self.frames, window)
        self.line: bytes | None = None
        """Frame with the place in line, while the log is empty."""
        self._dialect = dialect
        known.listen(self)

    def add(self, entry: RawEntry) -> None:
        self.frames.add(entry)

    def changed(self) -> None:
        self.broadcast.wake()

    def reset(self, same: int) -> None:
        self.frames.clear()
        self.broadcast.reset(same)

    def queued(self, position: int | None) -> None:
        self.line = self._dialect.queued(self.generation_id, position)
