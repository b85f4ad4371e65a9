"""The events of the native dialect that no log has: they have no id, so that no cursor moves on them.

The docstrings of their fields are those of /openapi.json.
"""

from typing import ClassVar

from msgspec import Struct

from api.viewing.dialect import ResetReason


class Queued(Struct):
    """The place in line. It is the first event of a POST's stream, and comes again when the place has changed."""

    type: ClassVar[str] = "queued"
    id: str
    """The generation's."""
    position: int | None
    """1 for the next; null once a worker has it."""


class Reset(Struct):
    """The cursor is of no use: what follows starts from the beginning of the log. What came before is superseded."""

    type: ClassVar[str] = "reset"
    reason: ResetReason
    """What is wrong with the cursor, or that the beginning of the log was removed."""
    message: str
    """The same, for people."""


class Viewers(Struct):
    """How many watch, at all nodes: to viewers that asked with `?viewers=1`, when they come and when it changes."""

    type: ClassVar[str] = "viewers"
    viewers: int
    """Open streams in any dialect, and requests that wait for the answer; this one included."""


class Drain(Struct):
    """This node is going away: reconnect with your cursor."""

    type: ClassVar[str] = "drain"
