"""What the benchmarks make of their figures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bench import first_token, pipeline
from bench.environments import Unavailable
from bench.quick import compare, ratios
from bench.ratios import TARGETS
from bench.results import Report, alternate, losses
from bench.subjects import SUBJECTS
from bench.table import render


@pytest.fixture
def report() -> Report:
    made = Report("pipeline", {})
    for microseconds, lost in ((300.0, 0), (900.0, 2), (310.0, 1)):
        made.add("Midstream", "100 generations at 50/s", {"CPU µs/delta": microseconds, "lost": lost})
    made.add(
        "plain proxy", "100 generations at 50/s", {"CPU µs/delta": 400.0, "lost": 0, "load busy": 0.95, "carried %": 80}
    )
    return made


def test_figures_are_medians_and_losses_are_added_up(report: Report) -> None:
    assert report.rows["Midstream", "100 generations at 50/s"].figures == {"CPU µs/delta": 310.0, "lost": 3}


def test_the_page_has_each_target_and_each_row(report: Report) -> None:
    page = "# P\n<!-- bench: targets -->\nold\n<!-- /bench -->\nkept\n<!-- bench: pipeline -->\n<!-- /bench -->\n"
    written = render(page, {"pipeline": report.document()})
    lines = written.splitlines()
    assert "old" not in lines
    assert "kept" in lines
    assert (
        "| 1. CPU per delta, to the plain proxy | ≤ 0.6 x | 0.775 x | **missed**; plain proxy was saturated |" in lines
    )
    assert sum("| not measured | |" in line for line in lines) == len(TARGETS) - 1
    assert "| Midstream | 310 | 3 | - |" in lines
    assert "| plain proxy (the load was the bottleneck, saturated) | 400 | 0 | 80 |" in lines
    assert render(written, {"pipeline": report.document()}) == written


async def test_order_turns_and_one_that_fails_is_left_out() -> None:
    seen: list[str] = []
    missing: dict[str, str] = {}

    async def measure(name: str) -> None:
        await asyncio.sleep(0)
        seen.append(name)
        if name == "b":
            raise Unavailable("not here")

    await alternate(["a", "b", "c"], 3, measure, missing, "load")
    assert seen == ["a", "b", "c", "c", "a", "a", "c"]
    assert missing == {"b, load": "not here"}


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
    monkeypatch.setattr(part, "measure", measure)
    kept = tmp_path / "kept.json"
    words = ["bench", "--only", slow, "--only", quick, loads, "1", "3", "2", "--rounds", "2"]
    monkeypatch.setattr("sys.argv", [*words, "--json", str(kept)])
    await part.main()
    assert asked == [1, 1, 1, 1, 2, 2, 3, 3]
    written = json.loads(kept.read_text())
    least, middle, most = written["machine"]["calibration ms"]
    assert 0 < least <= middle <= most
    missing = written["missing"]
    assert [name.split()[:2] for name in missing] == [[f"{slow},", "2"], [f"{slow},", "3"]]
    assert set(missing.values()) == {reason}


def test_what_never_came_is_lost_even_where_ids_show_no_gap() -> None:
    zero = dict.fromkeys(
        ("refused", "bad_status", "early_ends", "failed", "resets", "drains", "reconnects", "backward", "duplicates"), 0
    )
    assert losses({**zero, "total_marks": 90, "missing": 0}, 100)["lost"] == 10
    assert losses({**zero, "total_marks": 100, "missing": 3, "resets": 1}, 100) == {
        "errors: resets": 1,
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
