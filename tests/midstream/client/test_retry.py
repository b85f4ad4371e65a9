"""Waiting is bounded, grows, and is spread."""

from __future__ import annotations

import random
import time

import pytest

from midstream.client.retry import RetryBudget
from midstream.errors import UnreachableError

ERROR = UnreachableError("no answer", retryable=True)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, without making them."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


def test_back_off_grows_to_a_limit_with_full_jitter(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    waiting = RetryBudget(total=1000, backoff=1.0)
    waiting.heard()
    for _ in range(6):
        waiting.wait(ERROR)
    assert bounds == [(0, 2), (0, 4), (0, 8), (0, 15), (0, 15), (0, 15)]
    assert pauses == [2, 4, 8, 15, 15, 15]


def test_what_the_server_asks_for_is_the_least_and_bounded(pauses: list[float]) -> None:
    waiting = RetryBudget(total=1000, backoff=0.0)
    waiting.heard()
    waiting.wait(ERROR, 1.5)
    waiting.wait(UnreachableError("busy", retryable=True, retry_after=7), 1.5)
    waiting.wait(ERROR, 1e9)
    assert pauses == [1.5, 7, 60]


def test_progress_forgives(pauses: list[float]) -> None:
    waiting = RetryBudget(total=1000)
    for _ in range(3):
        waiting.heard()
        waiting.wait(ERROR)
    waiting.progress()
    assert waiting.failures == 0


def test_an_address_that_never_answered_is_given_up_soon(pauses: list[float]) -> None:
    fresh = RetryBudget(total=1000, first=1)
    with pytest.raises(UnreachableError):
        fresh.wait(ERROR, 1.5)
    fresh.heard()
    fresh.wait(ERROR, 1.5)
    with pytest.raises(UnreachableError):
        RetryBudget(total=0, first=1).wait(ERROR, 0.5)
    assert pauses[0] >= 1.5
    assert len(pauses) == 1
