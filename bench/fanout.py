"""Fan-out through one process on one core: viewers of one generation, and the common case of one or two viewers each.

    python -m bench.fanout [--only NAME]… [--shapes 1x1000x50 1x10000x50 …] [--rounds 3] [--seconds 8] [--json FILE]

A shape is generations x viewers x events a second of each generation. Latency is from the making of an event, before it
is published, to the load's read; CPU is the server's alone, in the window. What reaches no viewer within PATIENCE s of
the last event counts as lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import cpu
from bench.arguments import parser
from bench.fans import FANS, Start, midstream
from bench.load import load
from bench.machine import stolen
from bench.results import Figures, Report, latencies, losses
from bench.rounds import alternate

WARM = 2.0
PATIENCE = 60.0
SHAPES = ["1x1000x50", "1x10000x50", "1000x1000x20", "500x1000x20"]
TAKEN = 2
"""Ticks of CPU time in half a second that the host may take from a machine that is idle."""
OPENING = 1500
"""Viewers that come in a second, at most."""
PENDING = 500
"""Viewers that wait for their answer before another comes: fewer than any server's backlog, so none is refused."""


async def measure(start: Start, shape: str, seconds: float) -> Figures:
    """One run. Raises TimeoutError, RuntimeError where it cannot be had."""
    generations, viewers, rate = map(int, shape.split("x"))
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with start(generations, folder) as fan:
            limit = int(viewers / OPENING + WARM + seconds + PATIENCE) + 60
            options = {"viewers": viewers, "ramp": OPENING, "pending": PENDING, "seconds": limit}
            options |= {"ids": int(fan.dense)}
            async with load(fan.port, fan.requests, folder=folder, **options) as streams:
                await streams.ready(viewers / OPENING + 60)
                making = asyncio.create_task(fan.pace(rate, WARM + seconds))
                await asyncio.sleep(WARM)
                before = cpu.used_by(fan.processes)
                streams.window()
                await asyncio.sleep(seconds)
                after = cpu.used_by(fan.processes)
                streams.window()
                made = await making
                await _settled(fan.processes, PATIENCE)
                report = await streams.report(30.0, stop=True)
    used = sum(after[name] - before[name] for name in after)
    # The send loop does not say what it made: as much as the viewer has that got most.
    expected = viewers * (made.events or report["most"])
    return {
        "deliveries/s": report["marks"] / report["seconds"],
        "carried %": 100 * report["marks"] / report["seconds"] / (viewers * rate),
        **latencies(report),
        "CPU µs/event": used / max(report["marks"], 1) * 1e6,
        "CPU µs/read": used / max(report["reads"], 1) * 1e6,
        "CPU share": used / report["seconds"],
        "events/read": report["marks"] / max(report["reads"], 1),
        "bytes/event": report["bytes"] / max(report["marks"], 1),
        **losses(report, expected),
        "load busy": report["busiest"],
        "late s": made.late,
    }


async def _settled(processes: Mapping[str, int], seconds: float) -> None:
    """Wait until the server has no more to send: it is idle, as nothing is made any more.

    One from which the host takes its time uses none either, and has more to send.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        before, taken = sum(cpu.used_by(processes).values()), stolen()[0]
        await asyncio.sleep(0.5)
        if sum(cpu.used_by(processes).values()) - before < 0.05 and stolen()[0] - taken <= TAKEN:
            return


async def main() -> None:
    arguments = parser(__doc__, subjects=list(FANS))
    arguments.add_argument("--shapes", nargs="+", default=SHAPES, help=f"default {' '.join(SHAPES)}")
    arguments.add_argument("--seconds", type=float, default=8.0, help="length of the window (default 8)")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of Midstream's")
    options = arguments.parse_args()
    settings = dict(word.split("=", 1) for word in options.set)
    fans = FANS | {"Midstream": midstream(settings)}
    report = Report("fanout", {"rounds": options.rounds, "seconds": options.seconds, "set": settings})
    for shape in options.shapes:
        generations, viewers, rate = shape.split("x")
        title = f"{generations} generations, {viewers} viewers, {rate} events/s"
        names = [name for name in options.only or fans if name != "C loop of send()" or shape.startswith("1x")]

        async def one(name: str, shape: str = shape, title: str = title) -> None:
            report.add(name, title, await measure(fans[name], shape, options.seconds))

        await alternate(report, names, options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
