"""Deltas, viewers and generations, each doubled until something breaks.

    python -m bench.growth [--only NAME]… [--rounds 3] [--json FILE]

`deltas`: the whole pipeline on one core, more and more generations at 50 deltas/s with a viewer each. `viewers`: of one
generation at 50 events/s, through one API on one core. `generations`: 4,000 events/s in all, over more and more
generations with one viewer each. A series ends where p99 is above a second, anything is lost, or less than 95 % of what
is offered arrives, though the publisher was in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import uvloop

from bench import fanout, pipeline
from bench.arguments import parser
from bench.environments import Unavailable
from bench.fans import FANS
from bench.ratios import remarks
from bench.results import Figures, Report
from bench.rounds import alternate
from bench.subjects import SUBJECTS

SECONDS = 6.0
BROKEN_MS = 1000.0
EVENTS = 4_000

Series = tuple[list[int], Callable[[int], Awaitable[Figures]]]


async def deltas(generations: int) -> Figures:
    """The pipeline."""
    return await pipeline.measure(SUBJECTS["Midstream"], generations, SECONDS)


async def viewers(count: int) -> Figures:
    """One generation's."""
    return await fanout.measure(FANS["Midstream"], f"1x{count}x50", SECONDS)


async def generations(count: int) -> Figures:
    """The same events over so many."""
    return await fanout.measure(FANS["Midstream"], f"{count}x{count}x{max(EVENTS // count, 1)}", SECONDS)


SERIES: dict[str, Series] = {
    "deltas": ([50, 100, 200, 400, 800, 1600], deltas),
    "viewers": ([1_125, 2_250, 4_500, 9_000, 18_000, 36_000], viewers),
    "generations": ([10, 100, 500, 1_000, 2_000, 4_000], generations),
}


def broken(figures: Figures) -> bool:
    """Whether a series ends here."""
    late = figures["p99 ms"] > BROKEN_MS
    return late or bool(figures["lost"] or figures["errors"]) or "saturated" in remarks(figures)


def ended(report: Report, series: str, size: int) -> str | None:
    """The smaller size that was too much, where there is one."""
    for smaller in (str(other) for other in SERIES[series][0] if other < size):
        if (smaller, series) not in report.rows or broken(report.rows[smaller, series].figures):
            return smaller
    return None


async def grow(report: Report, series: str, rounds: int) -> None:
    """Measure one series: all its sizes in each round, so that a drift strikes all alike."""
    sizes, measure = SERIES[series]

    async def one(size: str) -> None:
        if (size, series) not in report.rows and (smaller := ended(report, series, int(size))):
            raise Unavailable(f"{smaller} was too much")
        report.add(size, series, await measure(int(size)))

    await alternate(report, [str(size) for size in sizes], rounds, one, series)


async def main() -> None:
    arguments = parser(__doc__, subjects=list(SERIES))
    options = arguments.parse_args()
    report = Report("growth", {"rounds": options.rounds, "seconds": SECONDS})
    for series in options.only or list(SERIES):
        await grow(report, series, options.rounds)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
