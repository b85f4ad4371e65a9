"""The native dialect: each event of the log is one server-sent event, as it stands in the log.

WHATWG HTML, section 9.2. `event:` and `id:` are ours, never from input.
"""

import random

import msgspec

from api.dialects.native.beside import Queued, Reset, Viewers
from api.viewing.dialect import Framer, ResetReason, Subject
from shared.log.entry import RawEntry

EVENT_FRAME = b"event: %b\ndata: %b\nid: %b\n\n"
"""The frame of an event's type, its data as it stands in the log, and its id.

The id comes last: some clients take it at its line, and would else pass over an event that a cut left half.
"""
RESET_MESSAGES = {
    "malformed_cursor": "The cursor is malformed; the log follows from its start.",
    "unknown_cursor": "The cursor is of no event of this log, which follows from its start.",
    "trimmed": "The start of this log was removed; what is left of it follows.",
}
"""The message of a `reset`, by its reason."""


class NativeFramer:
    """Frames a log's entries as they are, each by itself."""

    epoch = 1

    def opening(self) -> tuple[bytes, ...]:
        return ()

    def frames(self, entry: RawEntry) -> tuple[bytes]:
        event_id, (type, data) = entry
        return (EVENT_FRAME % (type, data, event_id),)


class NativeDialect:
    """The native dialect: frames of the log's events, and frames beside them without an id, which move no cursor."""

    name = "native"
    heartbeat = b": \n"
    """A comment, without a blank line: that would end a block, which some clients give as an empty event."""
    drain = b"event: drain\ndata: {}\n\n"
    ending = b""

    def framer(self, subject: Subject) -> Framer:
        return NativeFramer()

    def opening(self) -> bytes:
        """Returns the time until a client reconnects, in ms: random, as all viewers lose a node at once.

        A line of the block that follows: a block without data is an empty event to some clients.
        """
        return b"retry: %d\n" % random.randint(1000, 3000)

    def queued(self, generation_id: str, position: int | None) -> bytes:
        return _frame(Queued(generation_id, position))

    def reset(self, reason: ResetReason) -> bytes:
        return _frame(Reset(reason, RESET_MESSAGES[reason]))

    def viewers(self, count: int) -> bytes:
        return _frame(Viewers(count))


def _frame(event: Queued | Reset | Viewers) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.type.encode(), msgspec.json.encode(event))
