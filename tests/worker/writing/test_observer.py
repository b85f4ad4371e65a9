"""Nobody listens by default, and who listens hears each thing by its name."""

from __future__ import annotations

import inspect

from shared.log.events import EventId
from shared.log.guarded_log import Batch, Claim, ClaimOutcome, Reply, WriteOutcome
from shared.usage import Ended
from worker.writing.observer import Observer

CLAIM = Claim(ClaimOutcome.CLAIMED, token=7, number=1)


ENDED = Ended(id="gen_x", owner="o", state="completed", ended_ms=7, keep_ms=1, model="p/m")
BATCH = Batch("gen_x", 7, 1, EventId(7, 0), 1, [("delta", b"{}")])
CALLS: dict[str, tuple[object, ...]] = {
    "claimed": ("gen_x", CLAIM),
    "waited": (0.5,),
    "spoke": ("p/m", 0.5),
    "piece": (0.01,),
    "provider_failed": ("p", "overloaded"),
    "appended": (BATCH, Reply(WriteOutcome.OK), 0.5),
    "answered": (0.5,),
    "sealed": ("gen_x",),
    "settled": (["gen_x"],),
    "counted": ([ENDED],),
    "swept": (3,),
}
"""All that an observer may hear."""


def methods() -> set[str]:
    return {name for name, _ in inspect.getmembers(Observer, inspect.isfunction)}


def test_each_call_is_heard_and_answered_with_nothing() -> None:
    assert CALLS.keys() == methods()
    for name, arguments in CALLS.items():
        assert getattr(Observer(), name)(*arguments) is None


def test_none_of_them_can_be_waited_for() -> None:
    """They are called in the worker's loop, between an append and the next."""
    assert not [name for name in methods() if inspect.iscoroutinefunction(getattr(Observer, name))]
