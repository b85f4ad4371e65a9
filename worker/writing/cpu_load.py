"""Load: how busy this process is."""

import time

MEASURED_S = 0.1
"""Seconds over which it is measured."""


class CpuLoad:
    """The share of one core that the process took lately."""

    def __init__(self) -> None:
        self._share = 0.0
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def share(self) -> float:
        """Returns the share, from 0 to 1, as of the last span that has passed."""
        now = time.monotonic()
        if (passed := now - self._wall) >= MEASURED_S:
            cpu = time.process_time()
            # What lies further back than a few spans says nothing of now.
            weight = min(1.0, passed / (4 * MEASURED_S))
            self._share += weight * (min(1.0, (cpu - self._cpu) / passed) - self._share)
            self._wall, self._cpu = now, cpu
        return self._share
