"""The time to the first token beyond the provider's, with nothing and with much else running.

    python -m bench.first_token [--only NAME]… [--running 0 100 500] [--rounds 3] [--json FILE]

From the POST, on a connection of its own, to the first clock text at the viewer; the provider writes at once. What runs
beside it are generations of one delta a second, with a viewer each.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench.arguments import parser
from bench.environments import Unavailable
from bench.load import load
from bench.results import Figures, Report, losses
from bench.rounds import alternate
from bench.subjects import SUBJECTS, Start, simulator

COUNT = 200
RATE = 21
"""Requests a second: no multiple of anything that polls."""

SLOW = 200.0
"""Ms from which on a subject is not measured with more running: it takes minutes and says nothing new."""


async def measure(start: Start, running: int) -> Figures:
    """One run. Raises TimeoutError, RuntimeError where the streams cannot be opened."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        (folder / "running").mkdir()
        seconds = COUNT // RATE
        async with AsyncExitStack() as opened:
            url, _ = await opened.enter_async_context(simulator(folder))
            subject = await opened.enter_async_context(start(url, folder))
            if running:
                asked = [subject.request(f"clock?deltas={3 * seconds + 60}&rate=1")]
                options = {"viewers": running, "ramp": 100, "seconds": 4 * seconds + 60}
                beside = load(subject.port, asked, folder=folder / "running", **options)
                await (await opened.enter_async_context(beside)).ready()
            asked = [subject.request("clock?deltas=1&rate=0")]
            # What a first request imports and connects is not part of it.
            ids = int(subject.dense)
            async with load(subject.port, asked, folder=folder, viewers=10, ramp=RATE, expect=1, ids=ids) as streams:
                await streams.report(60.0)
            await asyncio.sleep(1.0)
            options = {"viewers": COUNT, "ramp": RATE, "expect": 1, "ids": ids}
            async with load(subject.port, asked, folder=folder, **options) as streams:
                report = await streams.report(90.0)
    first = report["first"]
    return {
        **{f"{at} ms": first[at] / 1000 for at in ("p50", "p90", "p99")},
        **losses(report, COUNT, repeats=subject.repeats),
    }


async def main() -> None:
    arguments = parser(__doc__, subjects=list(SUBJECTS))
    arguments.add_argument("--running", type=int, nargs="+", default=[0, 100, 500], help="default 0 100 500")
    options = arguments.parse_args()
    report = Report("first_token", {"count": COUNT, "rate": RATE, "rounds": options.rounds})
    for running in sorted(options.running):
        title = f"{running} running"

        async def one(name: str, running: int = running, title: str = title) -> None:
            for lighter, before in report.elsewhere(name, title, "p50 ms"):
                if before > SLOW:
                    raise Unavailable(f"it took {before:.0f} ms with {lighter}")
            report.add(name, title, await measure(SUBJECTS[name], running))

        await alternate(report, options.only or list(SUBJECTS), options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
