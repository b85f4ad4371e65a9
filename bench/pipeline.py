"""The whole way of a delta, from the provider to the viewer: its CPU and its latency, beside other ways.

    python -m bench.pipeline [--only NAME]… [--variant NAME=VALUE]… [--generations 50 100 200] [--rounds 3]
        [--seconds 8] [--json FILE]

Each generation has one viewer, whose POST is answered with the stream. Its deltas are clock texts, so latency is from
the simulator's write to the load's read. CPU is that of all the subject's processes, Redis among them, in the window.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import cpu
from bench.arguments import parser
from bench.environments import Unavailable
from bench.load import load
from bench.results import Figures, Report, latencies, losses
from bench.rounds import alternate
from bench.subjects import SUBJECTS, Start, midstream, simulator

RATE = 50
"""Deltas a second of each generation."""
WARM = 3.0
RAMP = 2
"""Seconds in which the streams are opened."""
OPENED = 3.0
"""Seconds after which the window begins even where some have not been answered."""

HALF = 50.0
"""Per cent of a load below which a subject is not measured with a greater one: that takes minutes and says nothing."""


async def measure(start: Start, generations: int, seconds: float, rate: int = RATE) -> Figures:
    """One run. Raises TimeoutError, RuntimeError where the streams cannot be opened."""
    deltas = int(rate * (OPENED + WARM + seconds + 1))
    script = f"clock?deltas={deltas}&rate={rate}"
    # No divisor of the deltas' distance: all streams would else be due at the same moments.
    ramp = max(generations * 67 // (100 * RAMP) * 2, 7)
    limit = int(3 * (OPENED + WARM + seconds)) + 30
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with simulator(folder) as (url, provider), start(url, folder) as subject:
            asked = [subject.request(script)]
            options = {
                "viewers": generations,
                "ramp": ramp,
                "expect": deltas,
                "seconds": limit,
                "ids": int(subject.dense),
            }
            async with load(subject.port, asked, folder=folder, **options) as streams:
                # One that is above its capacity from the start does not even answer all: it is measured all the same.
                with suppress(TimeoutError):
                    await streams.ready(OPENED)
                await asyncio.sleep(WARM)
                before = cpu.used_by({**subject.processes, "simulator": provider})
                streams.window()
                await asyncio.sleep(seconds)
                after = cpu.used_by({**subject.processes, "simulator": provider})
                streams.window()
                report = await streams.report(limit + 10)
    used = {name: (after[name] - before[name]) / max(report["marks"], 1) * 1e6 for name in after}
    busy = (after["simulator"] - before["simulator"]) / report["seconds"]
    own = {name: used[name] for name in used if name != "simulator"}
    return {
        "CPU µs/delta": sum(own.values()),
        **latencies(report),
        "deltas/s": report["marks"] / report["seconds"],
        "carried %": 100 * report["marks"] / report["seconds"] / (generations * rate),
        **losses(report, generations * deltas, repeats=subject.repeats),
        **({f"{name} µs": value for name, value in own.items()} if len(own) > 1 else {}),
        "load busy": report["busiest"],
        "simulator busy": busy,
    }


async def main() -> None:
    arguments = parser(__doc__, subjects=list(SUBJECTS))
    arguments.add_argument("--generations", type=int, nargs="+", default=[50, 100, 200], help="default 50 100 200")
    arguments.add_argument("--seconds", type=float, default=8.0, help="length of the window (default 8)")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of Midstream's")
    arguments.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a Midstream with this too, beside the others",
    )
    options = arguments.parse_args()
    settings = dict(word.split("=", 1) for word in options.set)
    variants = {
        f"Midstream, {word}": midstream(environment=settings | dict([word.split("=", 1)])) for word in options.variant
    }
    subjects = SUBJECTS | {"Midstream": midstream(environment=settings)} | variants
    report = Report("pipeline", {"rate": RATE, "rounds": options.rounds, "seconds": options.seconds, "set": settings})
    for generations in sorted(options.generations):
        title = f"{generations} generations at {RATE}/s"

        async def one(name: str, generations: int = generations, title: str = title) -> None:
            for lighter, carried in report.elsewhere(name, title, "carried %"):
                if carried < HALF:
                    raise Unavailable(f"it carried {carried:.2g} % of {lighter}")
            report.add(name, title, await measure(subjects[name], generations, options.seconds))

        await alternate(report, [*(options.only or SUBJECTS), *variants], options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
