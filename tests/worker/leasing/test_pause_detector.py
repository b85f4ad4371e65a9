"""A pause is a gap between two beats that may have let a lease run out; whatever was before a start is none."""

from __future__ import annotations

import asyncio
import time

import pytest

from worker.leasing.pause_detector import PauseDetector

LEASE = 3.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.pauses = 0

    def pause(self) -> None:
        self.pauses += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def detector(clock: Clock) -> PauseDetector:
    return PauseDetector(LEASE, clock.pause)


@pytest.mark.parametrize(("gap", "paused"), [(0.0, 0), (1.0, 0), (2.0, 0), (2.01, 1), (600.0, 1)])
def test_a_gap_of_two_thirds_of_a_lease_is_no_pause_and_more_is(
    clock: Clock, detector: PauseDetector, gap: float, paused: int
) -> None:
    clock.now += gap
    detector.beat()
    assert clock.pauses == paused


def test_a_pause_is_told_once_by_whoever_beats_first(
    clock: Clock, detector: PauseDetector, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now += 7
    detector.beat()
    detector.beat()
    assert clock.pauses == 1
    assert [record.getMessage() for record in caplog.records] == ["paused for 7.0 s"]
    clock.now += 7
    detector.beat()
    assert clock.pauses == 2


def test_many_short_gaps_are_no_pause(clock: Clock, detector: PauseDetector) -> None:
    for _ in range(100):
        clock.now += 1.9
        detector.beat()
    assert clock.pauses == 0


async def test_what_came_before_the_start_is_no_pause_and_it_beats_often_enough(
    clock: Clock, detector: PauseDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def passing(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds
        await sleep(0)

    monkeypatch.setattr("worker.leasing.pause_detector.asyncio.sleep", passing)
    clock.now += 600
    task = asyncio.create_task(detector.run())
    while len(slept) < 20:
        await sleep(0)
    task.cancel()
    assert clock.pauses == 0
    assert max(slept) <= LEASE * 2 / 3 / 2, "one beat that comes late is no pause yet"
