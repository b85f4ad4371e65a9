"""Call times: for how long a provider is waited for, before its answer begins and after it seems to have ended.

What lies between is the watchdog's (watchdog.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx2


@dataclass(frozen=True, slots=True)
class CallTimes:
    """The times of each call to one endpoint."""

    begin_s: float = 900.0
    """Seconds until the answer begins. Defaults to 900."""
    after_finish_s: float = 10.0
    """Seconds after a finish reason for which its counts, the terminal marker or the end of the body are waited for.

    Then the answer is complete. Whatever of it comes later starts the wait anew: some endpoints stamp a finish reason
    on every chunk, with pauses of seconds between them. Defaults to 10.
    """

    @property
    def timeout(self) -> httpx2.Timeout:
        """What an HTTP client is told."""
        return httpx2.Timeout(connect=10.0, read=self.begin_s, write=60.0, pool=10.0)


CALL_TIMES = CallTimes()
