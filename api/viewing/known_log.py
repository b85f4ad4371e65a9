"""What is known of a log: the position of each event, and how it ended. It passes what comes on to listeners."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

from shared.log.entry import RawEntry, read_id
from shared.log.events import ORIGIN, TERMINAL_TYPES, EventId
from shared.log.guarded_log import next_delta
from shared.record import State


class LogListener(Protocol):
    """A listener that gets a log's events, each once and in order. None of its methods may wait."""

    @property
    def watched(self) -> bool:
        """Says whether anybody is told what it gets."""

    def add(self, entry: RawEntry, /) -> None:
        """Takes the next event."""

    def reset(self, same: int, /) -> None:
        """Forgets all after the first `same` events: the log is another, and all of it follows from its start."""

    def queued(self, position: int | None, /) -> None:
        """Takes the place in line while the log is empty; None once a worker has it."""

    def changed(self) -> None:
        """Is called after a group of changes: more events, the place in line, or an end."""


class KnownLog:
    """Counts events and passes them on to listeners, but keeps none. Ids are dense within an attempt.

    A position is the number of events up to and with one. A listener that joins late misses what came before.
    """

    # Found at one place in memory instead of many: with hundreds of logs none of it is in a cache.
    __slots__ = ("_id", "_listeners", "_next", "_starts", "count", "gone", "loaded", "sent", "seq", "state", "token")

    def __init__(self) -> None:
        self._listeners: tuple[LogListener, ...] = ()
        self.loaded = False
        """Whether the log has been read to its end at least once."""
        self.gone = False
        """Whether there is nothing to follow any more: deleted, or expired."""
        self.sent: Callable[[], None] | None = None
        """Is called, and forgotten, when what is known now was written to those who watch."""
        self._begin()

    def _begin(self) -> None:
        self.state: State | None = None
        """Type of the terminal event; None while there is none."""
        self.count = 0
        """How many events there are."""
        self.token, self.seq = ORIGIN
        """Id of the newest."""
        # Of each token, the position of the event before its seq 0.
        self._starts: dict[int, int] = {}
        # Of the delta that would come next: its id, and how its publication begins.
        self._id, self._next = next_delta(*ORIGIN)

    @property
    def ended(self) -> bool:
        """Says whether nothing more comes: the log has its end, or is gone."""
        return self.gone or self.state is not None

    @property
    def watched(self) -> bool:
        """Says whether anybody watches it."""
        return any(listener.watched for listener in self._listeners)

    @property
    def last(self) -> EventId:
        """Returns the newest event's id."""
        return EventId(self.token, self.seq)

    @property
    def trimmed(self) -> bool:
        """Says whether the log's start was removed: its first event is then not an attempt's first."""
        return any(start < 0 for start in self._starts.values())

    def position(self, cursor: EventId) -> int | None:
        """Returns the position of this event; None where the log has no such event."""
        if cursor == ORIGIN:
            return 0
        start = self._starts.get(cursor.token)
        if start is None:
            return None
        # Below 0 where the log was trimmed beyond the cursor; 0 where what was trimmed ends with it.
        position = start + cursor.seq + 1
        end = min((later for later in self._starts.values() if later > start), default=self.count)
        return position if 0 <= position <= end else None

    def follows(self, cursor: EventId, event_id: EventId) -> bool:
        """Says whether an event is the one right after a cursor."""
        position = self.position(cursor)
        return position is not None and self.position(event_id) == position + 1

    def id_at(self, position: int) -> EventId:
        """Returns the id of the event at this position, which there must be; ORIGIN at 0."""
        if position == 0:
            return ORIGIN
        token, start = max(((token, start) for token, start in self._starts.items() if start < position), key=_start)
        return EventId(token, position - start - 1)

    def listen(self, listener: LogListener) -> None:
        """Adds a listener, which gets what comes from now on."""
        self._listeners += (listener,)

    def forget_listeners(self) -> None:
        """Drops the listeners, which refer to this: what nobody watches any more must not be kept by a cycle."""
        self._listeners = ()

    def take_delta(self, message: bytes) -> bool:
        """Takes the publication of one delta that follows; returns False for any other publication.

        Most are such: ten thousand a second. It does what reading the publication and `extend` would do.
        """
        if self.state is not None or not message.startswith(self._next):
            return False
        data = message[len(self._next) :]
        if b"\n" in data:
            return False
        entry = self._id, (b"delta", data)
        self.seq += 1
        self.count += 1
        self._id, self._next = next_delta(self.token, self.seq)
        for listener in self._listeners:
            listener.add(entry)
            listener.changed()
        return True

    def extend(self, entries: Iterable[tuple[EventId, RawEntry]]) -> None:
        """Takes events that follow; `tell` is left to the caller, who may have more of them."""
        for event_id, entry in entries:
            self.token, self.seq = event_id
            self._starts.setdefault(self.token, self.count - self.seq)
            self.count += 1
            for listener in self._listeners:
                listener.add(entry)
            if (type := entry[1][0].decode()) in TERMINAL_TYPES:
                self.state = cast(State, type)
        self._id, self._next = next_delta(self.token, self.seq)

    def replace(self, entries: Sequence[RawEntry]) -> int:
        """Replaces all that was known by these; returns how many events at the start are the same."""
        read = [(read_id(entry[0]), entry) for entry in entries]
        same = 0
        while same < len(read) and self.position(read[same][0]) == same + 1:
            same += 1
        self._begin()
        for listener in self._listeners:
            listener.reset(same)
        self.extend(read)
        return same

    def wait(self, position: int | None) -> None:
        """Passes the place in line on to the listeners, as the log is empty."""
        for listener in self._listeners:
            listener.queued(position)
        self.tell()

    def end(self) -> None:
        """Notes that there is nothing to follow any more, and calls the listeners."""
        self.gone = True
        self.tell()

    def tell(self) -> None:
        """Calls `changed` of each listener, after a group of changes."""
        for listener in self._listeners:
            listener.changed()


def _start(attempt: tuple[int, int]) -> int:
    return attempt[1]
