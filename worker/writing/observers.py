"""Several observers as one."""

from collections.abc import Sequence

from shared.log.guarded_log import Batch, Claim, Reply
from shared.usage import Ended
from worker.writing.observer import Observer


class Observers(Observer):
    """Passes all that it hears on to each of several observers, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def claimed(self, generation_id: str, claim: Claim) -> None:
        for observer in self._observers:
            observer.claimed(generation_id, claim)

    def waited(self, seconds: float) -> None:
        for observer in self._observers:
            observer.waited(seconds)

    def spoke(self, model: str, seconds: float) -> None:
        for observer in self._observers:
            observer.spoke(model, seconds)

    def piece(self, seconds: float) -> None:
        for observer in self._observers:
            observer.piece(seconds)

    def provider_failed(self, provider: str, code: str) -> None:
        for observer in self._observers:
            observer.provider_failed(provider, code)

    def appended(self, batch: Batch, reply: Reply, sent: float) -> None:
        for observer in self._observers:
            observer.appended(batch, reply, sent)

    def answered(self, seconds: float) -> None:
        for observer in self._observers:
            observer.answered(seconds)

    def sealed(self, generation_id: str) -> None:
        for observer in self._observers:
            observer.sealed(generation_id)

    def settled(self, generation_ids: Sequence[str]) -> None:
        for observer in self._observers:
            observer.settled(generation_ids)

    def counted(self, ended: Sequence[Ended]) -> None:
        for observer in self._observers:
            observer.counted(ended)

    def swept(self, enqueued: int) -> None:
        for observer in self._observers:
            observer.swept(enqueued)


def together(*observers: Observer | None) -> Observer:
    """Returns one observer for all that are given; one that does nothing where there is none."""
    given = [observer for observer in observers if observer is not None]
    return given[0] if len(given) == 1 else Observers(*given)
