"""The observer: receives what a worker does, for tests and measurements. By default nothing is done with it."""

from collections.abc import Sequence

from shared.log.guarded_log import Batch, Claim, Reply
from shared.usage import Ended


class Observer:
    """The interface of an observer; this one does nothing.

    Each method is called in the worker's loop, right after what it reports has happened. It must neither wait nor
    raise. `piece` is called for each piece of each answer, thousands of times a second.
    """

    def claimed(self, generation_id: str, claim: Claim) -> None:
        """Notes that this worker has claimed an attempt."""

    def waited(self, seconds: float) -> None:
        """Notes that a generation's first attempt was claimed so many seconds after it was accepted."""

    def spoke(self, model: str, seconds: float) -> None:
        """Notes that the first piece of a generation's answer came so many seconds after it was accepted."""

    def piece(self, seconds: float) -> None:
        """Notes that a further piece of an answer came so many seconds after the one before it."""

    def provider_failed(self, provider: str, code: str) -> None:
        """Notes that a call to a provider has failed; it may be made again."""

    def appended(self, batch: Batch, reply: Reply, sent: float) -> None:
        """Notes the log's reply to a write sent at `sent` (s since the epoch). It says whether the log took it."""

    def answered(self, seconds: float) -> None:
        """Notes that the log answered a round trip of appends after so many seconds."""

    def sealed(self, generation_id: str) -> None:
        """Notes that the log has an end that this worker wrote; it may not be on disk yet."""

    def settled(self, generation_ids: Sequence[str]) -> None:
        """Notes that the ends of these are on disk, and that the queue has let them go."""

    def counted(self, ended: Sequence[Ended]) -> None:
        """Notes that these ends are in the totals of their owners, whoever wrote them."""

    def swept(self, enqueued: int) -> None:
        """Notes that a pass over the pending index has enqueued so many generations that nobody had."""
