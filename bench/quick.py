"""A few ratios in under two minutes, against those that were committed: whether something has become slower.

    python -m bench.quick [--write]

Exits with 1 where one is worse by more than a third. A ratio depends less on the machine than a figure, but does: the
replay's was 0.49 on an Intel Xeon and 1.04 on an AMD EPYC. `bench/ratios.json` has the latter's; with `--write`, before
a change, it gets those of your machine. It needs no package of a peer's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from bench import fanout, pipeline, resume
from bench.cpu import prepare
from bench.fans import FANS
from bench.results import Figures, Report
from bench.rounds import alternate
from bench.subjects import SUBJECTS

KEPT = Path(__file__).parent / "ratios.json"
WORSE = 4 / 3
GENERATIONS, VIEWERS, SECONDS = 50, 1_000, 3.0
"""So few that the plain proxy keeps up: the cost of one that is saturated varies."""


async def measure() -> dict[str, float]:
    """The ratios, of which less is better. Raises SystemExit where a figure cannot be had, or anything was lost."""
    report = Report("quick", {})

    async def piped(name: str) -> None:
        report.add(name, "pipeline", await pipeline.measure(SUBJECTS[name], GENERATIONS, SECONDS))

    async def fanned(name: str) -> None:
        report.add(name, "fanout", await fanout.measure(FANS[name], f"1x{VIEWERS}x50", SECONDS))

    async def replayed(_: str) -> None:
        ours, raw = await resume.replay()
        report.add("Midstream", "replay", ours)
        report.add("raw XRANGE", "replay", raw)

    await alternate(report, ["Midstream", "plain proxy"], 2, piped, "pipeline")
    await alternate(report, ["Midstream", "C loop of send()"], 1, fanned, "fanout")
    await alternate(report, ["replay"], 1, replayed, "replay")
    if report.missing:
        raise SystemExit("\n".join(f"bench.quick: {name}: {why}" for name, why in report.missing.items()))
    return ratios({key: row.figures for key, row in report.rows.items()})


def ratios(figures: Mapping[tuple[str, str], Figures]) -> dict[str, float]:
    """What is compared. Raises SystemExit where anything of Midstream's was lost."""
    for (subject, load), found in figures.items():
        if subject == "Midstream" and (found.get("lost") or found.get("errors") or found.get("duplicates")):
            raise SystemExit(f"bench.quick: {load}: events were lost, doubled or in error: {dict(found)}")

    def ratio(load: str, figure: str, peer: str) -> float:
        return round(figures["Midstream", load][figure] / figures[peer, load][figure], 3)

    return {
        "CPU per delta, to the plain proxy": ratio("pipeline", "CPU µs/delta", "plain proxy"),
        "CPU per delivered event, to a C loop of send()": ratio("fanout", "CPU µs/event", "C loop of send()"),
        "replay, to a raw XRANGE": ratio("replay", "ms", "raw XRANGE"),
    }


def compare(found: Mapping[str, float], kept: Mapping[str, float]) -> list[str]:
    """What has become worse by more than a third, or is no longer measured."""
    worse = []
    for name, before in kept.items():
        now = found.get(name)
        if now is None:
            worse.append(f"{name}: not measured any more")
        elif now > before * WORSE:
            worse.append(f"{name}: {now:.3g}, was {before:.3g}")
    return worse


def main() -> None:
    prepare()
    found = uvloop.run(measure())
    kept: dict[str, float] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    for name, value in found.items():
        print(f"{name}: {value:.3g} (was {kept.get(name, '-')})")
    if "--write" in sys.argv[1:]:
        KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    elif not kept:
        sys.exit("bench.quick: there is nothing to compare with; keep these by python -m bench.quick --write")
    elif worse := compare(found, kept):
        sys.exit("\n".join(["bench.quick: worse by more than a third:", *worse]))


if __name__ == "__main__":
    main()
