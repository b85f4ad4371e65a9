"""Waiting is bounded, grows, and is spread."""

from __future__ import annotations

import random

import pytest

from midstream_client import RetryBudget, UnreachableError
from tests.clients.python.script import Time

ERROR = UnreachableError("no answer", retryable=True)


def test_back_off_grows_to_a_limit_with_full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    budget = RetryBudget(total=1000, backoff=1.0)
    budget.heard()
    assert [budget.pause(ERROR) for _ in range(6)] == [2, 4, 8, 15, 15, 15]
    assert bounds == [(0, 2), (0, 4), (0, 8), (0, 15), (0, 15), (0, 15)]


def test_what_the_server_asks_for_is_the_least() -> None:
    budget = RetryBudget(total=1000, backoff=0.0)
    budget.heard()
    assert budget.pause(ERROR, 1.5) == 1.5
    assert budget.pause(UnreachableError("busy", retryable=True, retry_after=7), 1.5) == 7
    assert budget.pause(ERROR, 1e9) == 60


def test_a_wait_that_is_longer_than_the_budget_is_not_begun() -> None:
    busy = UnreachableError("until midnight", retryable=True, retry_after=3600)
    budget = RetryBudget()
    budget.heard()
    with pytest.raises(UnreachableError) as raised:
        budget.pause(busy)
    assert raised.value.retry_after == 3600
    assert RetryBudget(total=10_000, backoff=0.0).pause(busy) == 3600


def test_what_is_lost_counts_until_progress() -> None:
    time = Time()
    budget = RetryBudget(total=10, backoff=0.0, clock=lambda: time.now)
    for _ in range(3):
        time.now += 3
        budget.answered()
        budget.pause(ERROR)
    time.now += 3
    with pytest.raises(UnreachableError):
        budget.pause(ERROR)
    budget.progress()
    assert budget.failures == 0
    time.now += 3
    assert budget.pause(ERROR) == 0


def test_a_quiet_connection_costs_nothing() -> None:
    time = Time()
    budget = RetryBudget(total=10, backoff=0.0, clock=lambda: time.now)
    for _ in range(10):
        time.now += 9
        budget.heard()
    assert budget.pause(ERROR) == 0


def test_an_address_that_never_answered_may_be_given_up_sooner() -> None:
    fresh = RetryBudget(total=1000, first=1, backoff=0.0)
    with pytest.raises(UnreachableError):
        fresh.pause(ERROR, 1.5)
    fresh.heard()
    assert fresh.pause(ERROR, 1.5) == 1.5
    with pytest.raises(UnreachableError):
        RetryBudget(total=0, first=1).pause(ERROR, 0.5)


def test_connections_that_stand_for_long_are_no_outage_though_nothing_is_said() -> None:
    time = Time()
    budget = RetryBudget(total=10, backoff=0.0, clock=lambda: time.now)
    for _ in range(20):
        budget.answered()
        for _heartbeat in range(5):
            time.now += 15
            budget.heard()
        budget.pause(ERROR)
        assert budget.failures == 1
        time.now += 3
