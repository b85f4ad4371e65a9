"""What stays of generations that have ended: memory of a worker and of an API over their number.

    python -m bench.soak [--generations 50000] [--json FILE]

One API and one worker on a Valkey and a simulator of their own. Eight callers post short generations, one after the
other: most are completed, some fail, some are cancelled, and one in a hundred has a request of 200 kB. Logs are kept
for 5 s, so that Redis does not grow either. Before each look all have ended, and their memories of it too. After every
step the figures are kept and shown, so that a run that is broken off has told what it saw.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from redis.asyncio import Redis

from bench.arguments import parser
from bench.results import Figures, Report
from bench.stack import Connection
from shared.storage.keys import PENDING_KEY
from tests.harness.processes import Process, Stack

CALLERS = 8
STEP = 2_000
"""Generations between two looks."""
SETTLE = 4.0
"""Seconds after the last end: a worker remembers what it sealed for 2 s."""
WAIT = 120.0
"""Seconds in which all of a step end."""
TTL = "5"
LARGE = "x" * 200_000

KINDS = (
    *["simulator/lorem?deltas=2&rate=0"] * 16,
    "simulator-responses/lorem?deltas=2&rate=0",
    "simulator-anthropic/lorem?deltas=2&rate=0",
    "simulator/lorem?deltas=4&rate=0&fault=error@2",
    "simulator/lorem?deltas=1000&rate=20",
)
"""By turns; the last one is cancelled."""


class Caller:
    """Posts one generation after the other; `number` says which."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port)

    async def ask(self, number: int) -> None:
        """Post one, and cancel it where that is its kind."""
        model = KINDS[number % len(KINDS)]
        said = LARGE if number % 100 == 7 else "Go."
        body = {"model": model, "messages": [{"role": "user", "content": said}], "on_interrupt": "fail"}
        await self._connection.ready()
        status, answer = await self._connection.post("/v1/generations", json.dumps(body).encode())
        if status != 202:
            raise RuntimeError(f"a POST was answered {status}")
        if model == KINDS[-1]:
            await self._connection.ready()
            await self._connection.post(f"{json.loads(answer)['links']['cancel']}", b"")

    async def close(self) -> None:
        """Leave."""
        await self._connection.close()


def resident(process: Process) -> float:
    """MB of a process' memory that are in RAM (RSS)."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def step(callers: list[Caller], first: int, redis: Redis) -> None:
    """STEP generations, from the first of them to the end of all."""

    async def work(caller: Caller, place: int) -> None:
        for number in range(first + place, first + STEP, CALLERS):
            await caller.ask(number)

    await asyncio.gather(*(work(caller, place) for place, caller in enumerate(callers)))
    async with asyncio.timeout(WAIT):
        while await redis.zcard(PENDING_KEY):  # noqa: ASYNC110  # in another process
            await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLE)


def keep(report: Report, path: Path | None) -> None:
    """What was measured so far."""
    if path is not None:
        path.write_text(json.dumps(report.document(), indent=1) + "\n", encoding="utf-8")


async def soak(report: Report, generations: int, path: Path | None) -> None:
    """Measure, and keep what was measured so far after each step."""
    environment: dict[str, str] = {"MIDSTREAM_TTL": TTL, "MIDSTREAM_TOMBSTONE_TTL": TTL}
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        async with Stack(Path(name), environment=environment) as stack:
            redis = Redis.from_url(stack.valkey.url)
            callers = [Caller(stack.apis[0].port) for _ in range(CALLERS)]
            for first in range(0, generations, STEP):
                await step(callers, first, redis)
                memory: dict[str, Any] = await redis.info("memory")
                figures: Figures = {
                    "worker MB": resident(stack.workers[0]),
                    "API MB": resident(stack.apis[0]),
                    "Redis MB": memory["used_memory"] / 1e6,
                }
                report.add(str(first + STEP), "soak", figures)
                keep(report, path)
            for caller in callers:
                await caller.close()
            await redis.aclose()


async def main() -> None:
    arguments = parser(__doc__, rounds=1)
    arguments.add_argument("--generations", type=int, default=50_000, metavar="N", help="in all (50,000)")
    options = arguments.parse_args()
    report = Report("soak", {"generations": options.generations, "step": STEP, "callers": CALLERS})
    report.begin()
    await soak(report, options.generations, options.json)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
