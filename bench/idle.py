"""What an idle system asks of Redis: commands a second, for each process, and CPU.

python -m bench.idle [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from redis.asyncio import Redis

from bench import cpu
from bench.arguments import parser
from bench.results import Figures, Report
from bench.rounds import alternate
from tests.harness.processes import Stack

SECONDS = 10.0
SETTLE = 8.0
"""Longer than a lease: workers hold off for one after Redis has started."""


async def measure() -> Figures:
    """One API and one worker, with default settings and nothing to do."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        async with Stack(Path(name), environment={"MIDSTREAM_LEASE": "5"}) as stack:
            redis = Redis.from_url(stack.valkey.url)
            pids = {process.name: process.popen.pid for process in (*stack.apis, *stack.workers)}
            pids["redis"] = stack.valkey.pid
            await asyncio.sleep(SETTLE)
            before, commands = cpu.used_by(pids), await _commands(redis)
            await asyncio.sleep(SECONDS)
            after, later = cpu.used_by(pids), await _commands(redis)
            await redis.aclose()
    # The look itself is one command.
    each = (later - commands - 1) / SECONDS / 2
    shares = {f"{name} CPU %": (after[name] - before[name]) / SECONDS * 100 for name in pids}
    return {"commands/s for each process": each, **shares}


async def _commands(redis: Redis) -> int:
    found: dict[str, Any] = await redis.info("stats")
    return int(found["total_commands_processed"])


async def main() -> None:
    options = parser(__doc__).parse_args()
    report = Report("idle", {"rounds": options.rounds, "seconds": SECONDS})

    async def one(name: str) -> None:
        report.add(name, "idle", await measure())

    await alternate(report, ["Midstream"], options.rounds, one, "idle")
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
