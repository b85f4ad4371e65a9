"""Nobody listens by default, and who listens hears each thing by its name."""

from __future__ import annotations

import inspect

from shared.log.events import EventId
from shared.log.guarded_log import Batch, Claim, ClaimOutcome, Reply, WriteOutcome
from worker.writing.observer import Observer

CLAIM = Claim(ClaimOutcome.CLAIMED, token=7, number=1)


def methods() -> set[str]:
    return {name for name, _ in inspect.getmembers(Observer, inspect.isfunction)}


def test_each_call_is_heard_and_answered_with_nothing() -> None:
    observer = Observer()
    batch = Batch("gen_x", 7, 1, EventId(7, 0), 1, [("delta", b"{}")])
    answers = [
        observer.claimed("gen_x", CLAIM),  # type: ignore[func-returns-value]
        observer.appended(batch, Reply(WriteOutcome.OK), 0.5),  # type: ignore[func-returns-value]
        observer.sealed("gen_x"),  # type: ignore[func-returns-value]
        observer.settled(["gen_x"]),  # type: ignore[func-returns-value]
        observer.swept(3),  # type: ignore[func-returns-value]
    ]
    assert answers == [None] * len(methods())


def test_none_of_them_can_be_waited_for() -> None:
    """They are called in the worker's loop, between an append and the next."""
    assert not [name for name in methods() if inspect.iscoroutinefunction(getattr(Observer, name))]
