"""An event as it stands in the log: its id, its type, and its data as bytes of JSON."""

from typing import NamedTuple, Self

from shared.log.events import EventId

RawEntry = tuple[bytes, tuple[bytes, bytes]]
"""An entry as Redis replies it: id, then type and data."""


class Entry(NamedTuple):
    """One event as it stands in the log."""

    id: EventId
    type: str
    data: bytes

    @classmethod
    def read(cls, raw: RawEntry) -> Self:
        """Returns an entry as Redis replied it."""
        event_id, (type, data) = raw
        return cls(read_id(event_id), type.decode(), data)

    @property
    def raw(self) -> RawEntry:
        """As Redis would reply it."""
        return b"%d-%d" % self.id, (self.type.encode(), self.data)


def read_id(raw: bytes) -> EventId:
    """Returns an id as Redis writes it."""
    token, _, seq = raw.partition(b"-")
    return EventId(int(token), int(seq))
