"""Load: how busy this process is, from 0 to 1, and soon forgotten."""

from __future__ import annotations

import time

import pytest

from worker.writing.cpu_load import MEASURED_S, CpuLoad


def test_load_is_the_share_of_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, cpu = 0.0, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: wall)
    monkeypatch.setattr(time, "process_time", lambda: cpu)
    load = CpuLoad()
    assert load.share() == 0
    for _ in range(40):
        wall += MEASURED_S
        cpu += MEASURED_S / 2
        load.share()
    assert load.share() == pytest.approx(0.5, abs=0.01)
    wall += 100 * MEASURED_S
    assert load.share() < 0.01


class Clocks:
    """Of the wall and of the process, set by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.wall)
        monkeypatch.setattr(time, "process_time", lambda: self.cpu)


def test_within_a_span_it_is_as_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    load = CpuLoad()
    clocks.wall = clocks.cpu = MEASURED_S * 0.9
    assert load.share() == 0
    clocks.wall = clocks.cpu = MEASURED_S
    assert load.share() == pytest.approx(0.25)
    clocks.wall, clocks.cpu = clocks.wall + MEASURED_S * 0.9, clocks.cpu + 1
    assert load.share() == pytest.approx(0.25)


def test_it_never_passes_1_although_threads_take_more_than_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    load = CpuLoad()
    clocks.wall, clocks.cpu = 10.0, 40.0
    assert load.share() == 1.0


def test_a_span_that_is_long_past_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    load = CpuLoad()
    clocks.wall = clocks.cpu = 4 * MEASURED_S
    assert load.share() == pytest.approx(1.0)
    clocks.wall += 4 * MEASURED_S
    assert load.share() == pytest.approx(0.0)
