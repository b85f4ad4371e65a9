"""Large bodies: one at a time is read and parsed for each owner, so that none fills the others' memory or time.

Where only one owner is known, nobody else could suffer, and nothing waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LARGE_BODY_BYTES = 1_000_000
"""Bytes past which a body waits for its turn."""


@dataclass(slots=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Its waiters come in order."""
    bodies: int = 0
    """Those that wait, and the one whose turn it is."""


class Turn:
    """The turn of one body: it comes when the body turns out to be large, and ends with the block that began it."""

    def __init__(self, lines: dict[str, _Line] | None, owner: str) -> None:
        self._lines = lines
        self._owner = owner
        self._line: _Line | None = None
        self._has_come = False

    async def come(self) -> None:
        """Waits until it is this body's turn.

        What of the body comes meanwhile stays with the kernel, but for what the server has read ahead, and the time
        that a body may take goes on. Who has left by its turn is told so by the next read, and ends it at once.
        """
        if self._lines is None or self._line is not None:
            return
        line = self._line = self._lines.setdefault(self._owner, _Line())
        line.bodies += 1
        await line.lock.acquire()
        self._has_come = True

    def end(self) -> None:
        """Lets the next one come."""
        if self._lines is None or self._line is None:
            return
        if self._has_come:
            self._line.lock.release()
        self._line.bodies -= 1
        if not self._line.bodies:
            del self._lines[self._owner]


class LargeBodies:
    """The lines of large bodies in this process, by owner."""

    def __init__(self, *, in_turn: bool) -> None:
        self._lines: dict[str, _Line] | None = {} if in_turn else None

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[Turn]:
        """Yields the turn of a body of this owner; it ends with the block."""
        turn = Turn(self._lines, owner)
        try:
            yield turn
        finally:
            turn.end()
