"""Notes of how askers' connections ended: handed over without waiting, and written beside the loop's other work."""

import asyncio
from itertools import islice

from redis.exceptions import RedisError

from api.supervisor import logger
from shared.backoff import Backoff
from shared.generations.askers import Askers, NotedAsker
from shared.storage.outage import is_away, level

MAX_WAITING = 20_000
"""Notes that wait to be written; past it the oldest are forgotten, and what they are about is not joined."""
PAGE = 100
"""Notes that are written in one round trip."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.1, 2.0
"""Seconds after which notes that Redis did not take are written again: at first, and at most."""


class AskerNotes:
    """Notes that wait to be written, the newest of each asker. `run` is its one task."""

    def __init__(self, askers: Askers) -> None:
        self._askers = askers
        self._waiting: dict[str, tuple[str, NotedAsker]] = {}
        self._filled = asyncio.Event()
        self._looked = asyncio.Event()

    def put(self, digest: str, asker: NotedAsker) -> None:
        """Takes a note over; returns at once."""
        self._waiting[asker.name] = digest, asker
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._filled.set()

    async def run(self) -> None:
        """Writes what waits, for ever."""
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        while True:
            await self._filled.wait()
            try:
                await self._write(list(islice(self._waiting.values(), PAGE)))
                backoff.reset()
            except RedisError as error:
                logger.log(level(error), "askers not noted (%s)", type(error).__name__)
                await backoff.wait()
            finally:
                self._looked.set()

    async def kept(self) -> None:
        """Waits until all is written."""
        while self._waiting:
            self._looked.clear()
            await self._looked.wait()

    async def _write(self, page: list[tuple[str, NotedAsker]]) -> None:
        """Writes a page. Raises redis.exceptions.RedisError where Redis is away; what it did not take waits on."""
        away: RedisError | None = None
        for note, error in zip(page, await self._askers.note_all(page), strict=True):
            if error is not None and is_away(error):
                away = error
                continue
            if error is not None:
                logger.warning("an asker is not noted (%s)", type(error).__name__)
            _, asker = note
            if self._waiting.get(asker.name) is note:  # and not a newer one
                del self._waiting[asker.name]
        if not self._waiting:
            self._filled.clear()
        if away is not None:
            raise away
