"""The quarantine: the generations that run their last attempt here, as they have lost all workers before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.generations.generations import Generations
from shared.record import Record


class Quarantine:
    """Lets these generations run, apart from each other where needed.

    One of them may be what those workers died of, and must not take the others with it. They run beside each other, and
    their records say so: if this worker dies too, no one can know of which, and it counts for none. Once that has
    happened `max_attempts` times to one, it runs alone.
    """

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._running: set[str] = set()
        self._claimed: set[str] = set()
        self._noted: set[str] = set()
        self._alone = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def admitted(self, record: Record, *, further: bool = False) -> AsyncIterator[None]:
        """Waits until the generation may run, and lets it run while inside.

        A suspect that runs alone runs beside no other suspect. `further` says whether another model is asked once its
        attempts are used up.
        """
        if not _is_suspect(record, further):
            yield
            return
        alone = record.pardons + _is_pardoned(record) >= record.max_attempts
        self._alone += alone
        try:
            while self._running if alone else self._alone:
                self._changed.clear()
                await self._changed.wait()
            self._running.add(record.id)
            yield
        finally:
            self._running.discard(record.id)
            self._claimed.discard(record.id)
            self._noted.discard(record.id)
            self._alone -= alone
            self._changed.set()

    def is_beside(self, generation_id: str) -> bool:
        """Says whether another suspect runs here: its next claim says so, as that one may kill this worker at once."""
        beside = generation_id in self._running and len(self._running) > 1
        (self._noted.add if beside else self._noted.discard)(generation_id)
        return beside

    async def claimed(self, generation_id: str) -> None:
        """Notes that its attempt is claimed, and its provider not yet asked. Raises redis.exceptions.RedisError."""
        if generation_id not in self._running:
            return
        self._claimed.add(generation_id)
        # Those that claimed when they were alone. Not those that have yet to claim: it would be of their last attempt,
        # which did not run beside this one.
        unnoted = self._claimed - self._noted
        if unnoted and len(self._claimed) > 1:
            await self._generations.note_beside(unnoted)
            self._noted |= unnoted & self._claimed


def _is_suspect(record: Record, further: bool) -> bool:
    """Says whether it has lost its worker so often that one more time ends it: it may be what they died of."""
    failures = record.failures + (record.state == "running" and not _is_pardoned(record))
    last = record.max_attempts - 1
    return failures > 0 and (failures == last or (failures > last and further)) and not record.cancel_requested


def _is_pardoned(record: Record) -> bool:
    """Says whether the attempt that was lost will not count, as the next claim decides."""
    return record.state == "running" and record.beside and record.pardons < record.max_attempts
