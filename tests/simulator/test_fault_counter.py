"""For how many requests a fault strikes: counted by model name, and the oldest names are forgotten."""

import pytest

from simulator.fault_counter import FaultCounter
from simulator.script import parse_script


def test_times_counts_each_model_name() -> None:
    counter = FaultCounter()
    once = parse_script("lorem?fault=eof&times=2&key=a")
    other = parse_script("lorem?fault=eof&times=2&key=b")
    assert [counter.due(once) is not None for _ in range(4)] == [True, True, False, False]
    assert counter.due(other) is not None
    assert all(counter.due(parse_script("lorem?fault=eof")) is not None for _ in range(3))


def test_a_quirk_is_counted_without_a_fault() -> None:
    counter = FaultCounter()
    script = parse_script("lorem?quirk=bom&times=1")
    assert [counter.strikes(script) for _ in range(3)] == [True, False, False]
    assert counter.due(parse_script("lorem?quirk=bom")) is None
    assert all(counter.strikes(parse_script("lorem?quirk=bom")) for _ in range(3))


def test_the_counter_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.fault_counter.MAX_COUNTED", 2)
    counter = FaultCounter()
    first, *others = (parse_script(f"lorem?fault=eof&times=1&key={n}") for n in range(3))
    counter.due(first)
    assert counter.due(first) is None
    for other in others:
        counter.due(other)
    assert counter.due(first) is not None, "the oldest name should have been forgotten"


def test_what_counts_again_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.fault_counter.MAX_COUNTED", 2)
    counter = FaultCounter()
    first, second, third = (parse_script(f"lorem?fault=eof&times=1&key={n}") for n in range(3))
    for script in (first, second, first, third):
        counter.due(script)
    assert counter.due(first) is None
    assert counter.due(second) is not None, "the one that was asked for longest ago should have been forgotten"
