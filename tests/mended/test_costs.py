"""What something costs, there and here: rounds take turns, and medians are compared (see tests/mended/__main__.py)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mended.conftest import Start
from tests.mended.running import Running

RATE = 50
WARM, WINDOW = 3.0, 6.0
TICKS = os.sysconf("SC_CLK_TCK")

Record = Callable[[str, object], None]


def _seconds(pids: list[int]) -> float:
    """CPU that these have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(value[11]) + int(value[12]) for value in fields) / TICKS


def _cpu_for_each_delta(running: Running, answers: int) -> float:
    """µs of worker, API and Redis, each answer with one viewer."""
    deltas = int((WARM + WINDOW + 3) * RATE)
    asked = [running.ask(f"simulator/clock?deltas={deltas}&rate={RATE}") for _ in range(answers)]
    viewers = [threading.Thread(target=running.events, args=(generation,), daemon=True) for generation in asked]
    for viewer in viewers:
        viewer.start()
    pids = [pid for pid in running.children("") if pid not in running.children("simulator")]
    time.sleep(WARM)
    before, began = _seconds(pids), time.monotonic()
    time.sleep(WINDOW)
    used, passed = _seconds(pids) - before, time.monotonic() - began
    for generation in asked:
        assert running.end(generation)["state"] == "completed"
    return used / (answers * RATE * passed) * 1e6


@pytest.mark.cost
@pytest.mark.mended("answers-gather")
@pytest.mark.parametrize("answers", [10, 50])
def test_cpu_for_each_delta(start: Start, record_property: Record, answers: int) -> None:
    record_property("cost", _cpu_for_each_delta(start(), answers))
    record_property("unit", f"µs of CPU for each delta, {answers} answers")
