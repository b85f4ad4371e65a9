"""Durability: how long Redis takes until what it acknowledged is on its disk, and all times that follow from that.

A Redis that crashes comes back without what it had not synced. Those who remember it write it again: a worker the log
and the lease of what it runs, an API node what it answered. So each waits for the disk before it forgets, and for the
others before it believes that something is not there (docs/decisions/0029-one-home-for-durability.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Durability:
    """Three times, and those that follow from them. One serves a whole process: `Queue` has it for all."""

    lease_s: float
    """Seconds a worker owns a job without renewing it: the setting `lease`."""
    sync_s: float = 1.0
    """Seconds from one sync of Redis' append-only file to the next (`appendfsync everysec`). Defaults to 1."""
    remembered_s: float = 60.0
    """Seconds for which what Redis answers and yet does not do is tried again; an outage does not count. Defaults
    to 60."""

    @property
    def lease_ms(self) -> int:
        """ms of a lease."""
        return int(self.lease_s * 1000)

    @property
    def synced_s(self) -> float:
        """Seconds after which what Redis said is on its disk: the sync is due, and a slow disk has held up one."""
        return 2 * self.sync_s

    @property
    def synced_ms(self) -> int:
        """ms of the same."""
        return round(self.synced_s * 1000)

    @property
    def rewritten_ms(self) -> int:
        """ms in which a worker has written again what the log of a Redis that came back lacks.

        It looks `synced_s` after an end, and has as long again to write.
        """
        return 2 * self.synced_ms

    @property
    def retaken_ms(self) -> int:
        """ms in which workers have taken their leases back, as they renew within one.

        Not less than what is on disk takes: a short lease is over before that.
        """
        return max(self.lease_ms, self.synced_ms)

    @property
    def restored_ms(self) -> int:
        """ms in which a worker has both written its log again and taken its lease back."""
        return max(self.lease_ms, self.rewritten_ms)

    @property
    def kept_s(self) -> float:
        """Seconds that an API node which goes waits for the disk: for what it answered last, and once more for what
        had to be written again."""
        return 2 * self.synced_s

    @property
    def catch_up_s(self) -> float:
        """Seconds for which a viewer's cursor may be ahead of a log that grows.

        Its worker writes the rest again with its next event, and no cursor is ahead by more than what is not synced.
        """
        return self.synced_s + self.sync_s

    @property
    def given_up_s(self) -> float:
        """Seconds for which the API does not say that a generation is unknown, while Redis has nothing of it.

        Several times what restoring takes: a wrong 404 ends the client's wait, a late one costs only the wait.
        """
        return 10 * self.sync_s

    @property
    def given_up_ms(self) -> int:
        """ms of the same."""
        return round(self.given_up_s * 1000)

    @property
    def max_looks(self) -> int:
        """Answers of Redis after which an API node forgets what it answered and Redis does not do.

        It looks once in `synced_s`.
        """
        return round(self.remembered_s / self.synced_s)

    @property
    def max_refusals(self) -> int:
        """Errors of a log's own after which a worker forgets an attempt that it has sealed.

        It is refused about as often as Redis syncs.
        """
        return round(self.remembered_s / self.sync_s)
