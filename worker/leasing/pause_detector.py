"""How a worker that was paused finds out before it writes a byte."""

import asyncio
import logging
import time
from collections.abc import Callable

logger = logging.getLogger("midstream.worker")


class PauseDetector:
    """Beats while the process runs. A pause (SIGSTOP, a machine that slept, a CPU that was elsewhere) is a gap.

    Leases are renewed at a third of their time, so a gap of two thirds may have let one run out, and another worker
    may have taken its job since. The log fences whoever writes on, unless Redis has lost just that claim: so `paused`
    gives up what has run out, before anything else is done. `run` is its one task.
    """

    def __init__(self, lease: float, paused: Callable[[], None]) -> None:
        self._gap = lease * 2 / 3
        self._paused = paused
        self._last = time.monotonic()

    def beat(self) -> None:
        """Calls `paused` if the last beat is too long ago.

        Whoever is about to write calls this too, as it may be the first to run after a pause.
        """
        now = time.monotonic()
        gap, self._last = now - self._last, now
        if gap > self._gap:
            logger.warning("paused for %.1f s", gap)
            self._paused()

    async def run(self) -> None:
        """Beats until cancelled."""
        self._last = time.monotonic()  # what came before, a start, is no pause
        while True:
            await asyncio.sleep(self._gap / 4)
            self.beat()
