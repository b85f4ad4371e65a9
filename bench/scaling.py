"""One process and two: what a second worker adds, and a second API process on the same port.

    python -m bench.scaling [--only NAME]… [--rounds 3] [--json FILE]

The second one is on the other core, which it shares with Redis, the provider and the load: what it adds is the least
that it would add on a core of its own. CPU for each delta and event tells what two cost beside one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import uvloop

from bench import capacity, fanout, fans
from bench.arguments import parser
from bench.results import Figures, Report
from bench.rounds import alternate

GENERATIONS, SHAPE, SECONDS = 800, "1x18000x50", 8.0
"""More than one process carries."""


async def workers(count: int) -> Figures:
    """Deltas that so many workers carry."""
    return await capacity.measure(capacity.midstream(count), GENERATIONS, SECONDS)


async def apis(count: int) -> Figures:
    """Events that so many API processes deliver."""
    return await fanout.measure(fans.midstream(processes=count), SHAPE, SECONDS)


SERIES: dict[str, tuple[Callable[[int], Awaitable[Figures]], str]] = {
    "workers": (workers, f"{GENERATIONS} generations at 50/s"),
    "API processes": (apis, "18,000 viewers of one generation, 50 events/s"),
}


async def main() -> None:
    options = parser(__doc__, subjects=list(SERIES)).parse_args()
    report = Report("scaling", {"rounds": options.rounds, "seconds": SECONDS})
    for name in options.only or list(SERIES):
        measure, title = SERIES[name]

        async def one(count: str, measure: Callable[[int], Awaitable[Figures]] = measure, title: str = title) -> None:
            report.add(count, title, await measure(int(count)))

        await alternate(report, ["1", "2"], options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
