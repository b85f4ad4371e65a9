"""The observer: hears what a worker does, for whoever tests or measures it. Nobody listens by default."""

from collections.abc import Sequence

from shared.log.guarded_log import Batch, Claim, Reply


class Observer:
    """What can be heard. Each method is called in the worker's loop, right after it happened.

    It must neither wait nor raise.
    """

    def claimed(self, generation_id: str, claim: Claim) -> None:
        """An attempt is this worker's."""

    def appended(self, batch: Batch, reply: Reply, sent: float) -> None:
        """The log answered a write that was sent at this time (s since the epoch). The reply says if it took it."""

    def sealed(self, generation_id: str) -> None:
        """The log has an end that this worker wrote; it may not be on disk yet."""

    def settled(self, generation_ids: Sequence[str]) -> None:
        """The ends of these are on disk, and the queue has let them go."""

    def swept(self, enqueued: int) -> None:
        """A pass over the pending index has enqueued so many that nobody had."""
