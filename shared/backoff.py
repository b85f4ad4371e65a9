"""Back-off: how long to wait before the next try."""

import asyncio
import random


class Backoff:
    """Seconds to wait before the next try: doubling from `first` up to `cap`, of which half is random."""

    def __init__(self, first: float = 0.05, cap: float = 2.0) -> None:
        self._first, self._cap, self._next = first, cap, first
        self.failures = 0
        """Waits since the last `reset`."""

    def reset(self) -> None:
        """Starts over after a success: the next wait is the first again."""
        self._next, self.failures = self._first, 0

    def __next__(self) -> float:
        pause, self._next = self._next, min(self._next * 2, self._cap)
        self.failures += 1
        return random.uniform(pause / 2, pause)

    async def wait(self) -> None:
        """Sleeps for the next pause."""
        await asyncio.sleep(next(self))
