"""Deltas, viewers and generations, each doubled until something breaks.

    python -m bench.growth [--only NAME]… [--rounds 1] [--json FILE]

`deltas`: the whole pipeline on one core, more and more generations at 50 deltas/s with a viewer each. `viewers`: of one
generation at 50 events/s, through one API on one core. `generations`: 10,000 events/s in all, over more and more
generations with one viewer each. A series ends where p99 is above a second, less than 95 % of what is offered arrives,
or anything is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from bench import fanout, pipeline
from bench.arguments import parser
from bench.fans import FANS
from bench.results import Figures, Report
from bench.subjects import SUBJECTS

SECONDS = 6.0
BROKEN_MS = 1000.0
ENOUGH = 0.95
EVENTS = 10_000

Series = tuple[list[int], Callable[[int], Awaitable[Figures]], Callable[[int], float], str]


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
    "deltas": ([50, 100, 200, 400, 800, 1600], deltas, lambda n: 50.0 * n, "deltas/s"),
    "viewers": ([1_000, 2_000, 5_000, 10_000, 20_000, 40_000], viewers, lambda n: 50.0 * n, "deliveries/s"),
    "generations": (
        [10, 100, 500, 1_000, 2_000, 4_000],
        generations,
        lambda n: float(n * (EVENTS // n)),
        "deliveries/s",
    ),
}


async def main() -> None:
    arguments = parser(__doc__, subjects=list(SERIES), rounds=1)
    options = arguments.parse_args()
    report = Report("growth", {"rounds": options.rounds, "seconds": SECONDS})
    for name in options.only or list(SERIES):
        sizes, measure, offered, arrived = SERIES[name]
        for size in sizes:
            try:
                for _ in range(options.rounds):
                    report.add(str(size), name, await measure(size))
            except (TimeoutError, RuntimeError, AssertionError, OSError) as error:
                report.missing[f"{name} {size}"] = str(error) or type(error).__name__
                break
            figures = report.rows[str(size), name].figures
            late = figures["p99 ms"] > BROKEN_MS
            if late or figures[arrived] < ENOUGH * offered(size) or figures["lost"] or figures["errors"]:
                break
            await asyncio.sleep(1.0)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
