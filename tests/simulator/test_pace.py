import pytest

from simulator.pace import MAX_BATCH, SLACK_SECONDS, Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """One settable reading of the performance counter."""
    now = [100.0]
    monkeypatch.setattr("simulator.pace.perf_counter", lambda: now[0])
    return now


def test_the_first_delta_is_due_at_ttft(clock: list[float]) -> None:
    pace = Pace(50, 300)
    assert pace.due(0) == 0
    assert pace.delay(0) == pytest.approx(0.3)
    clock[0] += 0.3
    assert pace.due(0) == 1


def test_the_schedule_is_absolute(clock: list[float]) -> None:
    pace = Pace(50, 0)
    clock[0] += 0.109
    # 0, 20, 40, 60, 80 and 100 ms have passed: a late wake-up releases all six, and the next is not late.
    assert pace.due(1) == 6
    assert pace.due(6) == 6
    assert pace.delay(6) == pytest.approx(0.011)


def test_nothing_is_due_twice_and_no_sleep_is_shorter_than_a_timer_tick(clock: list[float]) -> None:
    pace = Pace(1_000_000, 0)
    assert pace.due(5000) == 5000
    assert pace.delay(0) == SLACK_SECONDS


def test_a_batch_is_bounded(clock: list[float]) -> None:
    clock[0] += 1
    assert Pace(0, 0).due(10) == 10 + MAX_BATCH
    late = Pace(50, 0)
    clock[0] += 60
    assert late.due(0) == MAX_BATCH


def test_unlimited_still_waits_for_ttft(clock: list[float]) -> None:
    pace = Pace(0, 40)
    assert pace.due(0) == 0
    assert pace.delay(0) == pytest.approx(0.04)
