"""Back-off: pauses double up to a bound, and half of each is random."""

from __future__ import annotations

import asyncio
import random

import pytest

from shared.backoff import Backoff


def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, most: most)


def test_pauses_double_up_to_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    longest(monkeypatch)
    backoff = Backoff(first=0.1, cap=0.5)
    assert [next(backoff) for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_what_succeeded_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    longest(monkeypatch)
    backoff = Backoff(first=0.1, cap=0.5)
    next(backoff)
    next(backoff)
    assert backoff.failures == 2
    backoff.reset()
    assert backoff.failures == 0
    assert next(backoff) == 0.1
    assert backoff.failures == 1


def test_each_pause_is_between_half_and_all_of_it_and_no_two_are_alike() -> None:
    pauses = []
    for _ in range(200):
        backoff = Backoff(first=1.0, cap=1.0)
        pauses.append(next(backoff))
    assert all(0.5 <= pause <= 1.0 for pause in pauses)
    assert len(set(pauses)) > 100
    assert min(pauses) < 0.6 < 0.9 < max(pauses)


async def test_a_wait_is_as_long_as_the_next_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    longest(monkeypatch)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    backoff = Backoff(first=0.1, cap=0.3)
    for _ in range(3):
        await backoff.wait()
    assert waited == [0.1, 0.2, 0.3]
    assert backoff.failures == 3
