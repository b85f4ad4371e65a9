"""The budget of retries for what fails for a passing reason."""

import random
import time

from midstream.errors import ClientError

LONGEST_WAIT_S = 15.0
LONGEST_REQUESTED_WAIT_S = 60.0


class RetryBudget:
    """Exponential back-off with full jitter, and a bound on the time without progress.

    Times are in seconds. A connection that stays open and sends heartbeats costs nothing of it, however long it
    is quiet; one that is lost does, until the next event. Before the server has answered at all, the bound is
    `first`: a wrong address should not take minutes to say so.
    """

    def __init__(self, *, total: float = 120.0, first: float = 3.0, backoff: float = 0.25) -> None:
        self.total = total
        self.first = first
        self.backoff = backoff
        self.failures = 0
        self.reached = False
        self._lost = 0.0
        self._heard_at = time.monotonic()

    def answered(self) -> None:
        """Counts the time since the last byte as lost: the server has answered."""
        self._lost += time.monotonic() - self._heard_at
        self.heard()

    def heard(self) -> None:
        """Notes that bytes came, maybe only a heartbeat."""
        self.reached = True
        self._heard_at = time.monotonic()

    def progress(self) -> None:
        """Forgets all failures, as an event came."""
        self.heard()
        self.failures = 0
        self._lost = 0.0

    def wait(self, error: ClientError, at_least: float = 0.0) -> None:
        """Sleeps before the next try.

        `at_least` is what the server asked for (`retry:`). Raises the error where the budget is used up.
        """
        self.failures += 1
        floor = min(max(at_least, error.retry_after or 0.0), LONGEST_REQUESTED_WAIT_S)
        pause = floor + random.uniform(0.0, min(LONGEST_WAIT_S, self.backoff * 2.0 ** min(self.failures, 16)))
        lost = self._lost + time.monotonic() - self._heard_at
        if lost + pause > (self.total if self.reached else min(self.first, self.total)):
            raise error
        time.sleep(pause)
