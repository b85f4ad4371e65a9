"""The packer: makes the logs of generations that have ended small, when the worker has nothing better to do."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from redis.exceptions import RedisError

from shared.generations.generations import Generations
from shared.log.compaction import pack
from shared.log.entry import Entry
from shared.log.events import ORIGIN
from shared.log.guarded_log import Log
from shared.process.background_thread import aside
from worker.writing.cpu_load import MEASURED_S, CpuLoad

logger = logging.getLogger("midstream.worker")

MAX_WAITING = 10_000
"""Generations that wait; of more, the oldest stay as they are."""
BUSY_SHARE = 0.7
"""Share of a core from which on it waits."""
MAX_STEP_BYTES = 4_000_000
"""Bytes of a packed log that is written in one step; a larger one stays as it is."""


class Compactor:
    """Packs the logs of generations that are known to have ended on disk. `run` is its one task."""

    def __init__(self, log: Log, generations: Generations) -> None:
        self._log = log
        self._generations = generations
        self._waiting: deque[str] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._load = CpuLoad()

    def take(self, generation_ids: Iterable[str]) -> None:
        """Takes these generations on, to be packed some time."""
        self._waiting.extend(generation_ids)
        self._wake.set()

    async def run(self) -> None:
        """Packs one log after the other, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if self._load.share() > BUSY_SHARE:
                    await asyncio.sleep(MEASURED_S)
                    continue
                generation_id = self._waiting.popleft()
                try:
                    await self.pack(generation_id)
                except (RedisError, ValueError) as error:
                    logger.info("%s: not packed (%s)", generation_id, type(error).__name__)

    async def pack(self, generation_id: str) -> bool:
        """Packs a sealed log; returns False where it stays as it is.

        Raises redis.exceptions.RedisError, and ValueError where the log has what cannot be read.
        """
        record = (await self._generations.find(generation_id)).record
        if record is None or record.seal is None:
            return False
        packed: list[Entry] = []
        cursor, count, size = ORIGIN, 0, 0
        async for page in self._log.pages(generation_id):
            entries = await aside(sum([len(entry.data) for entry in page]), pack, page)
            packed += entries
            cursor, count = page[-1].id, count + len(page)
            size += sum([len(entry.data) for entry in entries])
            if size > MAX_STEP_BYTES:
                return False
            await asyncio.sleep(0)
        if cursor < record.seal or len(packed) == count:
            return False
        return await self._log.replace(generation_id, record.seal, count, packed)
