"""Joining: what a viewer that comes, or comes back, costs a server, and how soon thousands are back at once.

    python -m bench.joins [--rounds 3] [--only NAME] [--viewers 10000] [--json FILE]

They all ask for one generation that runs, at once, each after an event that it has had where ids are known. `idle`: it
says nothing meanwhile. `beside 200,000 events/s`: 4,000 other viewers get 50 events/s each of another one. The time is
that from the first connection to the last answer; the load has a core of its own, as has the server. What Nchan and
Node send is no more than the head of an answer: they know no cursor, no owner and no log.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import cpu
from bench.arguments import parser
from bench.fans import FANS, Fan, Start
from bench.load import get, load
from bench.results import Figures, Report, latencies
from bench.rounds import alternate

SUBJECTS = ("Midstream", "Nchan", "Node")
LIVE, RATE = 4_000, 50
PENDING = 500
"""Answers that are waited for at a time: no more than any server's backlog takes without a lost SYN, a second each."""
LIMIT_S = 120


async def joined(start: Start, viewers: int, *, busy: bool = False) -> Figures:
    """All of them come at once. Raises TimeoutError, and RuntimeError where one is refused."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with start(2 if busy else 1, folder) as fan:
            if busy:
                return await _beside(fan, viewers, folder)
            return await _idle(fan, viewers, folder)


async def _idle(fan: Fan, viewers: int, folder: Path) -> Figures:
    if fan.logs is not None:
        await fan.logs.appender.publish([0], 0)
    async with load(fan.port, [_asked(fan, 0)], folder=folder, viewers=1, seconds=LIMIT_S) as first:
        await first.ready()  # compiles, and makes the tail
        return await _all_at_once(fan, viewers, folder)


async def _all_at_once(fan: Fan, viewers: int, folder: Path) -> dict[str, float]:
    (folder / "comers").mkdir()
    options = {"viewers": viewers, "ramp": 1_000_000, "pending": PENDING, "seconds": LIMIT_S, "ids": int(fan.dense)}
    before, began = cpu.used_by(fan.processes), time.monotonic()
    async with load(fan.port, [_asked(fan, 0)], folder=folder / "comers", **options) as comers:
        await comers.ready(LIMIT_S)
        took, after = time.monotonic() - began, cpu.used_by(fan.processes)
        report = await comers.report(30.0, stop=True)
    used = sum(after[name] - before[name] for name in after)
    return {
        "CPU µs/join": used / viewers * 1e6,
        "all there s": took,
        "errors": report["refused"] + report["bad_status"] + report["failed"],
    }


async def _beside(fan: Fan, viewers: int, folder: Path) -> Figures:
    (folder / "live").mkdir()
    options = {"viewers": LIVE, "ramp": 2_000, "pending": PENDING, "seconds": LIMIT_S, "ids": int(fan.dense)}
    async with load(fan.port, [fan.requests[1]], folder=folder / "live", **options) as live:
        await live.ready(LIMIT_S)
        making = asyncio.create_task(fan.pace(RATE, LIMIT_S))
        await asyncio.sleep(3.0)
        live.window()
        figures = await _all_at_once(fan, viewers, folder)
        live.window()
        making.cancel()
        report = await live.report(30.0, stop=True)
    figures.pop("CPU µs/join")  # with what the others cost
    carried = report["marks"] / report["seconds"] / (LIVE * RATE) * 100
    return {**figures, "carried %": carried, **{f"live {name}": value for name, value in latencies(report).items()}}


def _asked(fan: Fan, number: int) -> bytes:
    """The request of one that comes back."""
    if fan.logs is None:
        return fan.requests[number]
    return get(f"/v1/generations/{fan.logs.ids[number]}/events", fan.logs.appender.cursor(number, 1))


async def main() -> None:
    arguments = parser(__doc__, subjects=list(SUBJECTS))
    arguments.add_argument("--viewers", type=int, default=10_000, help="how many come (default 10,000)")
    options = arguments.parse_args()
    report = Report("joins", {"rounds": options.rounds, "viewers": options.viewers})
    for title, busy in (("idle", False), (f"beside {LIVE * RATE:,} events/s", True)):

        async def one(name: str, busy: bool = busy, title: str = title) -> None:
            report.add(name, title, await joined(FANS[name], options.viewers, busy=busy))

        await alternate(report, options.only or list(SUBJECTS), options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
