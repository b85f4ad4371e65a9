"""How often and how long something is tried again."""

import random
import time
from collections.abc import Callable

from midstream_client.errors import ClientError

LONGEST_WAIT_S = 15.0
STABLE_S = 60.0
"""Seconds after which a connection that was lost is no part of an outage before it."""
LONGEST_RECONNECT_S = 60.0
"""Most seconds of a stream's `retry` that are kept to."""


class RetryBudget:
    """Exponential back-off with full jitter, and a bound on the time without progress.

    Times are in seconds, on `clock`. A connection that stays open and sends heartbeats costs nothing of it, however
    long it is quiet; one that is lost does, until the next event, or until one has stood for a minute. `first` bounds
    it before the server has answered at all: the same, unless a wrong address should not take as long to say so.
    """

    def __init__(
        self,
        *,
        total: float = 120.0,
        first: float | None = None,
        backoff: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.first = total if first is None else min(first, total)
        self.backoff = backoff
        self.failures = 0
        self.reached = False
        self._clock = clock
        self._lost = 0.0
        self._heard_at = self._answered_at = clock()

    def answered(self) -> None:
        """Counts the time since the last byte as lost: the server has answered."""
        self._answered_at = self._clock()
        self._lost += self._answered_at - self._heard_at
        self.heard()

    def heard(self) -> None:
        """Notes that bytes came, maybe only a heartbeat."""
        self.reached = True
        self._heard_at = self._clock()
        if self._heard_at - self._answered_at >= STABLE_S:
            self._forget()

    def progress(self) -> None:
        """Forgets all failures, as an event came."""
        self.heard()
        self._forget()

    def _forget(self) -> None:
        self.failures = 0
        self._lost = 0.0

    def pause(self, error: ClientError, reconnect: float = 0.0) -> float:
        """Returns the seconds to wait before the next try; `reconnect` are those of the stream's `retry`.

        Raises the error where the budget is used up, or would be before the server wants to be asked again.
        """
        self.failures += 1
        least = max(min(reconnect, LONGEST_RECONNECT_S), error.retry_after or 0.0)
        pause = least + random.uniform(0.0, min(LONGEST_WAIT_S, self.backoff * 2.0 ** min(self.failures, 16)))
        lost = self._lost + self._clock() - self._heard_at
        if lost + pause > (self.total if self.reached else self.first):
            raise error
        return pause
