"""A Redis that came back older: whether what it lost of a log will be written again."""

import asyncio
from typing import Literal

from api.viewing.known_log import KnownLog
from shared.generations.generations import Existence, Generations
from shared.log.guarded_log import Log

Loss = Literal["restored", "replaced", "final"]
"""What becomes of a log that ends before an event which was seen.

Its worker will write the rest again (`restored`), it went another way (`replaced`), or nobody will write it again, as
it was deleted, has expired or is lost (`final`).
"""


class Restoration:
    """Decides what becomes of what a log has lost; waits for its worker while Redis has lost the whole generation."""

    __slots__ = ("_forgotten_at", "_generations", "_id", "_log")

    def __init__(self, generation_id: str, log: Log, generations: Generations) -> None:
        self._id, self._log, self._generations = generation_id, log, generations
        self._forgotten_at: float | None = None

    @property
    def look_again_after(self) -> float | None:
        """Returns the seconds after which to look again, where the generation is forgotten; else None."""
        return None if self._forgotten_at is None else self._generations.durability.given_up_s / 10

    def stop(self) -> None:
        """Forgets the time: the generation is there again, or Redis is away, which its worker needs too."""
        self._forgotten_at = None

    async def judge(self, known: KnownLog) -> Loss:
        """Returns what becomes of the log, of which this is known. Raises redis.exceptions.RedisError."""
        found = await self._generations.find(self._id)
        if self._has_time(found.existence):
            return "restored"
        record = found.record
        newest = await self._log.last(self._id)
        if record is None or (record.seal is not None and newest is None):
            return "final"
        same_way = record.seal is None and (newest is None or known.position(newest.id) is not None)
        return "restored" if same_way else "replaced"

    def _has_time(self, existence: Existence) -> bool:
        """Says whether Redis came back without this generation and its worker has had no time yet to write it again."""
        now = asyncio.get_running_loop().time()
        if existence is not Existence.NOTHING:
            self._forgotten_at = None
        elif self._forgotten_at is None:
            self._forgotten_at = now
        return self._forgotten_at is not None and now - self._forgotten_at < self._generations.durability.given_up_s
