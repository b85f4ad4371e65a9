"""What the benchmarks make of their figures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bench import first_token, growth, pipeline
from bench.quick import compare, ratios
from bench.ratios import TARGETS, remarks
from bench.results import Report, losses
from bench.subjects import SUBJECTS
from bench.table import render


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr("bench.results.stolen", lambda: (0, 0))
    made = Report("pipeline", {})
    for microseconds, lost in ((300.0, 0), (900.0, 2), (310.0, 1)):
        made.add("Midstream", "100 generations at 50/s", {"CPU µs/delta": microseconds, "lost": lost})
    made.add(
        "plain proxy", "100 generations at 50/s", {"CPU µs/delta": 400.0, "lost": 0, "load busy": 0.95, "carried %": 80}
    )
    return made


def test_figures_are_medians_and_losses_are_added_up(report: Report) -> None:
    assert report.rows["Midstream", "100 generations at 50/s"].figures == {
        "CPU µs/delta": 310.0,
        "lost": 3,
        "stolen %": 0,
    }


def test_the_page_has_each_target_and_each_row(report: Report) -> None:
    page = "# P\n<!-- bench: targets -->\nold\n<!-- /bench -->\nkept\n<!-- bench: pipeline -->\n<!-- /bench -->\n"
    written = render(page, {"pipeline": report.document()})
    lines = written.splitlines()
    assert "old" not in lines
    assert "kept" in lines
    said = "**missed**; plain proxy: the load was the bottleneck, saturated"
    assert f"| 1. CPU per delta, to the plain proxy | ≤ 0.6 x | 0.775 x | {said} |" in lines
    assert sum("| not measured | |" in line for line in lines) == len(TARGETS) - 1
    assert "| Midstream | 310 | 3 | - |" in lines
    assert "| plain proxy (the load was the bottleneck, saturated) | 400 | 0 | 80 |" in lines
    assert render(written, {"pipeline": report.document()}) == written


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"carried %": 96, "late s": 4.0}, []),
        ({"carried %": 70, "late s": 4.0, "CPU share": 0.6}, ["the publisher was late"]),
        ({"carried %": 70, "late s": 4.0, "CPU share": 0.99}, ["saturated"]),
        ({"carried %": 70, "late s": 0.1, "CPU share": 0.6}, ["saturated"]),
        ({"simulator busy": 0.95}, ["the load was the bottleneck"]),
        ({"carried %": 100, "stolen %": 30}, ["disturbed"]),
    ],
)
def test_one_that_was_offered_less_was_not_saturated(figures: dict[str, float], said: list[str]) -> None:
    assert remarks(figures) == said


@pytest.mark.parametrize(
    ("part", "loads", "figures", "reason"),
    [
        (
            pipeline,
            "--generations",
            ({"carried %": 12.0}, {"carried %": 84.0}),
            "it carried 12 % of 1 generations at 50/s",
        ),
        (first_token, "--running", ({"p50 ms": 630}, {"p50 ms": 3}), "it took 630 ms with 1 running"),
    ],
    ids=["pipeline", "first token"],
)
async def test_what_one_load_was_too_much_for_is_not_measured_with_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: Any, loads: str, figures: Any, reason: str
) -> None:
    slow, quick = "agno", "plain proxy"
    asked: list[int] = []

    async def measure(start: object, load: int, *_: float) -> dict[str, float]:
        await asyncio.sleep(0)
        asked.append(load)
        found: dict[str, float] = figures[start is SUBJECTS[quick]]
        return found

    monkeypatch.setattr("bench.arguments.prepare", lambda: None)  # it would keep this process to one core
    monkeypatch.setattr("bench.results.stolen", lambda: (0, 0))  # nor do neighbours of this machine matter
    monkeypatch.setattr(part, "measure", measure)
    kept = tmp_path / "kept.json"
    words = ["bench", "--only", slow, "--only", quick, loads, "1", "3", "2", "--rounds", "2"]
    monkeypatch.setattr("sys.argv", [*words, "--json", str(kept)])
    await part.main()
    assert asked == [1, 1, 1, 1, 2, 2, 3, 3]
    written = json.loads(kept.read_text())
    least, middle, most = written["machine"]["calibration ms"]
    assert 0 < least <= middle <= most
    assert 0 <= written["machine"]["stolen %"] <= 100
    missing = written["missing"]
    assert [name.split()[:2] for name in missing] == [[f"{slow},", "2"], [f"{slow},", "3"]]
    assert set(missing.values()) == {reason}


@pytest.mark.parametrize(
    ("wrong", "ends"),
    [
        ({}, False),
        ({"p99 ms": 1001.0}, True),
        ({"carried %": 80.0, "CPU share": 0.99}, True),
        ({"carried %": 80.0, "CPU share": 0.4, "late s": 3.0}, False),
        ({"lost": 1}, True),
        ({"errors": 1}, True),
    ],
)
def test_a_series_grows_until_it_breaks(wrong: dict[str, float], ends: bool) -> None:
    assert growth.broken({"p99 ms": 20.0, "carried %": 99.0, "lost": 0, "errors": 0, **wrong}) is ends


async def test_sizes_take_turns_up_to_the_one_that_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def measure(size: int) -> dict[str, float]:
        await asyncio.sleep(0)
        asked.append(size)
        return {"p99 ms": 300.0 * size, "carried %": 100.0, "lost": 0, "errors": 0}

    monkeypatch.setattr("bench.results.stolen", lambda: (0, 0))
    monkeypatch.setitem(growth.SERIES, "deltas", ([1, 2, 4, 8, 16], measure))
    report = Report("growth", {})
    await growth.grow(report, "deltas", 2)
    assert asked == [1, 2, 4, 4, 2, 1]
    assert report.missing == {"8, deltas": "4 was too much", "16, deltas": "4 was too much"}


def test_what_never_came_is_lost_even_where_ids_show_no_gap() -> None:
    zero = dict.fromkeys(
        ("refused", "bad_status", "early_ends", "failed", "resets", "drains", "reconnects", "backward", "duplicates"), 0
    )
    assert losses({**zero, "total_marks": 90, "missing": 0}, 100)["lost"] == 10
    assert losses({**zero, "total_marks": 100, "missing": 3, "resets": 1}, 100) == {
        "errors: resets": 1,
        "lost between others": 3,
        "lost": 3,
        "duplicates": 0,
        "errors": 1,
    }


FIGURES: dict[tuple[str, str], Any] = {
    ("Midstream", "pipeline"): {"CPU µs/delta": 60.0, "lost": 0, "errors": 0},
    ("plain proxy", "pipeline"): {"CPU µs/delta": 120.0, "lost": 5},
    ("Midstream", "fanout"): {"CPU µs/event": 6.0},
    ("C loop of send()", "fanout"): {"CPU µs/event": 5.0},
    ("Midstream", "replay"): {"ms": 40.0},
    ("raw XRANGE", "replay"): {"ms": 20.0},
}


def test_a_ratio_may_grow_by_a_third_and_no_more() -> None:
    found = ratios(FIGURES)
    assert found["CPU per delta, to the plain proxy"] == 0.5
    assert compare(found, {name: value * 0.76 for name, value in found.items()}) == []
    assert len(compare(found, {name: value * 0.74 for name, value in found.items()})) == len(found) == 3
    assert compare({}, {"a": 1.0}) == ["a: not measured any more"]


def test_a_faster_midstream_that_loses_events_fails() -> None:
    with pytest.raises(SystemExit, match="lost"):
        ratios(FIGURES | {("Midstream", "fanout"): {"CPU µs/event": 1.0, "lost": 1}})
