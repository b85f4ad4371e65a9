"""When deltas are due."""

from time import perf_counter
from typing import Final

# The loop's timers count whole milliseconds: what is due within one is written now, not slept for again.
SLACK_SECONDS: Final = 0.001
MAX_BATCH: Final = 64


class Pace:
    """An absolute schedule from the moment of creation: delta n is due at `ttft` + n / `rate`.

    A late wake-up releases all that became due meanwhile, so the rate holds however busy the process is.
    """

    def __init__(self, rate: float, ttft: float) -> None:
        """`rate` in deltas per second, 0 without limit; `ttft` in milliseconds."""
        self._rate = rate
        self._start = perf_counter() + ttft / 1000

    def due(self, written: int) -> int:
        """How many deltas should have been written by now, at most a batch more than `written`."""
        elapsed = perf_counter() - self._start + SLACK_SECONDS
        if elapsed < 0:
            return written
        most = written + MAX_BATCH
        if self._rate == 0:
            return most
        return max(written, min(int(elapsed * self._rate) + 1, most))

    def delay(self, n: int) -> float:
        """Seconds from now until delta `n` is due, at least one timer tick."""
        offset = n / self._rate if self._rate else 0.0
        return max(self._start + offset - perf_counter(), SLACK_SECONDS)
