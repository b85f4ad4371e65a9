"""Which subject has its turn when, and which runs count."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bench.environments import Unavailable
from bench.results import Report
from bench.rounds import AGAIN, alternate

Measure = Callable[[str], Awaitable[None]]


class Host:
    """A host that takes a share of what is wanted while `busy`; nothing waits here."""

    def __init__(self) -> None:
        self.busy = False
        self.took = self.wanted = 0

    def work(self) -> float:
        self.wanted += 100
        self.took += 50 * self.busy
        return 30.0

    def stolen(self) -> tuple[int, int]:
        return self.took, self.wanted


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr("bench.results.stolen", made.stolen)
    monkeypatch.setattr("bench.rounds.calibrate", made.work)
    return made


@pytest.fixture
def report(host: Host) -> Report:
    return Report("part", {})


async def test_order_turns_and_one_that_fails_is_left_out(report: Report) -> None:
    seen: list[str] = []

    async def measure(name: str) -> None:
        await asyncio.sleep(0)
        seen.append(name)
        if name == "b":
            raise Unavailable("not here")

    await alternate(report, ["a", "b", "c"], 3, measure, "load", wait_s=0)
    assert seen == ["a", "b", "c", "c", "a", "a", "c"]
    assert report.missing == {"b, load": "not here"}


def runs(host: Host, report: Report, busy: list[bool], failing: int = 0) -> Measure:
    """Runs that are disturbed or not, of which the first so many fail; each notes how many were before."""
    made = iter(range(len(busy)))

    async def measure(name: str) -> None:
        await asyncio.sleep(0)
        number = next(made)
        host.busy = busy[number]
        host.work()
        if number < failing:
            raise RuntimeError("the publisher fell behind")
        report.add(name, "load", {"ms": float(number), "lost": 1})

    return measure


async def test_a_run_of_which_the_host_took_a_share_is_repeated_and_does_not_count(host: Host, report: Report) -> None:
    await alternate(report, ["a"], 2, runs(host, report, [True, True, False, False]), "load", wait_s=0)
    row = report.rows["a", "load"]
    assert [run["stolen %"] for run in row.runs] == [50, 50, 0, 0]
    # What was lost counts wherever it was.
    assert row.figures == {"ms": 2.5, "lost": 4, "stolen %": 0}


async def test_where_all_are_disturbed_all_count_and_it_ends(host: Host, report: Report) -> None:
    await alternate(report, ["a"], 1, runs(host, report, [True] * (1 + AGAIN)), "load", wait_s=0)
    assert report.rows["a", "load"].figures == {"ms": 1.0, "lost": 3, "stolen %": 50}
    assert report.missing == {}


async def test_one_that_failed_while_disturbed_has_another_chance(host: Host, report: Report) -> None:
    await alternate(report, ["a"], 1, runs(host, report, [True, False], failing=1), "load", wait_s=0)
    assert report.rows["a", "load"].figures["ms"] == 1.0
    assert report.missing == {}
    await alternate(report, ["b"], 1, runs(host, report, [False], failing=1), "load", wait_s=0)
    assert report.missing == {"b, load": "the publisher fell behind"}


async def test_a_run_begins_when_the_host_has_let_go(
    host: Host, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.busy = True
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        host.busy = len(waits) < 3

    monkeypatch.setattr("bench.rounds.asyncio.sleep", wait)
    busy: list[bool] = []

    async def measure(_: str) -> None:
        busy.append(host.busy)

    await alternate(report, ["a"], 1, measure, "load")
    assert (busy, len(waits)) == ([False], 3)
