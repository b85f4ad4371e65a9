"""Back-off: how long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Seconds to wait before the next try: doubling up to `cap`, of which half is random."""

    def __init__(self, first: float = 0.05, cap: float = 2.0) -> None:
        self._first, self._cap, self._next = first, cap, first

    def reset(self) -> None:
        self._next = self._first

    def __next__(self) -> float:
        pause, self._next = self._next, min(self._next * 2, self._cap)
        return random.uniform(pause / 2, pause)
