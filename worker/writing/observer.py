"""The observer: receives what a worker does, for tests and measurements. By default nothing is done with it."""

from collections.abc import Sequence

from shared.log.guarded_log import Batch, Claim, Reply


class Observer:
    """The interface of an observer; this one does nothing.

    Each method is called in the worker's loop, right after what it reports has happened. It must neither wait nor
    raise.
    """

    def claimed(self, generation_id: str, claim: Claim) -> None:
        """Notes that this worker has claimed an attempt."""

    def appended(self, batch: Batch, reply: Reply, sent: float) -> None:
        """Notes the log's reply to a write sent at `sent` (s since the epoch). It says whether the log took it."""

    def sealed(self, generation_id: str) -> None:
        """Notes that the log has an end that this worker wrote; it may not be on disk yet."""

    def settled(self, generation_ids: Sequence[str]) -> None:
        """Notes that the ends of these are on disk, and that the queue has let them go."""

    def swept(self, enqueued: int) -> None:
        """Notes that a pass over the pending index has enqueued so many generations that nobody had."""
