"""How much one worker process carries on one core, and what it costs Redis: more and more generations at 50 deltas/s.

    python -m bench.capacity [--only NAME]… [--generations 100 200 400 600] [--rounds 3] [--json FILE]

The worker has a core of its own; Redis, the simulator and this program share the other. No viewer looks on: the logs
are followed by their publications (Midstream) or read every 20 ms (the plain worker, which publishes nothing), and
latency is from the simulator's write to there. `commands/delta` are those that Redis counted, `append µs` is the time
it spent on one append, by INFO COMMANDSTATS.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from redis.asyncio import Redis

from bench import cpu
from bench.arguments import parser
from bench.cpu import LOAD_CORE, SERVER_CORE, on_core, pin
from bench.results import Figures, Report
from bench.rounds import alternate
from bench.stack import Connection
from bench.subjects import PROMPT, simulator, started
from midstream.processes.valkey import Valkey
from tests.harness.processes import Process, Stack

RATE = 50
WARM = 3.0
CLOCK = re.compile(rb"@(\d+);")
READ_EVERY = 0.02


@dataclass(frozen=True)
class Working:
    """A worker that runs, and its Redis."""

    workers: Sequence[int]
    redis_pid: int
    redis: Redis
    ask: Callable[[str], Awaitable[None]]
    """Ask for one answer by a script of the simulator."""
    append: tuple[str, str]
    """Of what Redis counts: the command whose time appending takes, and the one that each append has once."""
    follow: Callable[[Followed], Awaitable[None]]


class Followed:
    """The clock texts that reached the logs."""

    def __init__(self) -> None:
        self.total = 0
        self.counting = False
        self.latencies: list[int] = []

    def saw(self, text: bytes) -> None:
        """Note all that are in this. Nothing else is looked at: following must cost little beside what is measured."""
        now = time.time_ns() // 1000
        found = CLOCK.findall(text)
        self.total += len(found)
        if self.counting:
            self.latencies += [now - int(made) for made in found]


Start = Callable[[str, Path], AbstractAsyncContextManager[Working]]


def midstream(count: int = 1) -> Start:
    """Workers of Midstream, the first with a core of its own; the API only takes the requests, beside the load."""

    @asynccontextmanager
    async def start(simulator_url: str, folder: Path) -> AsyncIterator[Working]:
        settings = {"MIDSTREAM_LEASE": "5", "MIDSTREAM_CONCURRENCY": "4000", "MIDSTREAM_SIMULATOR_URL": simulator_url}
        stack = Stack(folder, simulator=False, workers=count, environment=settings)
        with on_core(LOAD_CORE):
            await stack.__aenter__()
        try:
            workers = [process.popen.pid for process in stack.workers]
            pin(workers[0], SERVER_CORE)
            redis = Redis.from_url(stack.valkey.url)
            connection = Connection(stack.apis[0].port)

            async def ask(script: str) -> None:
                await connection.ready()
                body = json.dumps({"model": f"simulator/{script}", "messages": PROMPT}).encode()
                status, _ = await connection.post("/v1/generations", body)
                if status != 202:
                    raise RuntimeError(f"POST answered {status}")

            async def follow(seen: Followed) -> None:
                reader, writer = await asyncio.open_unix_connection(str(stack.valkey.socket))
                writer.write(b"PSUBSCRIBE midstream:*:log\r\n")
                left = b""
                while data := await reader.read(1 << 20):
                    # One that is cut in two waits for its other half.
                    text = left + data
                    begun = text.rfind(b"@")
                    cut = begun if begun >= 0 and b";" not in text[begun:] else len(text)
                    seen.saw(text[:cut])
                    left = text[cut:]

            yield Working(workers, stack.valkey.pid, redis, ask, ("evalsha", "publish"), follow)
            await connection.close()
            await redis.aclose()
        finally:
            await stack.__aexit__(None)

    return start


@asynccontextmanager
async def plain(simulator_url: str, folder: Path) -> AsyncIterator[Working]:
    """A worker that iterates the SDK, with one XADD for each delta."""
    with on_core(LOAD_CORE):
        valkey = Valkey(folder / "data")
        await valkey.start()
    try:
        environment = {"BENCH_SIMULATOR_URL": simulator_url, "BENCH_REDIS_URL": valkey.url}
        command = [sys.executable, "-m", "bench.peers.plain_worker"]
        async with started(Process("worker", command, "ready", folder, environment), SERVER_CORE) as process:
            redis = Redis.from_url(valkey.url)
            cursors: dict[str, bytes] = {}

            async def ask(script: str) -> None:
                id = str(len(cursors))
                cursors[f"bench:{id}"] = b"0"
                push: Any = redis.rpush("bench:jobs", json.dumps({"id": id, "model": script}))
                await push

            async def follow(seen: Followed) -> None:
                while True:
                    found = await redis.xread(dict(cursors)) if cursors else []
                    for name, entries in found:
                        for cursors[name.decode()], fields in entries:
                            seen.saw(fields.get(b"data", b""))
                    await asyncio.sleep(READ_EVERY)

            yield Working([process.popen.pid], valkey.pid, redis, ask, ("xadd", "xadd"), follow)
            await redis.aclose()
    finally:
        await valkey.stop()


WORKERS: dict[str, Start] = {"Midstream": midstream(), "XADD for each delta": plain}


async def measure(start: Start, generations: int, seconds: float) -> Figures:
    """One run."""
    opening = generations / 100
    deltas = int(RATE * (opening + WARM + seconds + 1))
    script = f"clock?deltas={deltas}&rate={RATE}"
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with simulator(folder) as (url, provider), start(url, folder) as working:
            seen = Followed()
            following = asyncio.ensure_future(working.follow(seen))
            began = time.perf_counter()
            for number in range(generations):
                # All streams would be due at the same moments if they began at multiples of the deltas' distance.
                await asyncio.sleep(max(0.0, began + number * 0.0093 - time.perf_counter()))
                await working.ask(script)
            await asyncio.sleep(WARM)
            pids = {"redis": working.redis_pid, "simulator": provider}
            pids |= {f"worker {number}": pid for number, pid in enumerate(working.workers)}
            before, commands, total = cpu.used_by(pids), await _commands(working.redis), seen.total
            start_at = time.perf_counter()
            seen.counting = True
            await asyncio.sleep(seconds)
            seen.counting = False
            took = time.perf_counter() - start_at
            after, later = cpu.used_by(pids), await _commands(working.redis)
            found = seen.total - total
            await _ended(seen, generations * deltas)
            following.cancel()
    latencies = sorted(seen.latencies)
    worked = sum(after[name] - before[name] for name in pids if name.startswith("worker"))
    calls = {name: later[name][0] - commands.get(name, (0, 0.0))[0] for name in later}
    timed, counted = working.append
    append_us = later.get(timed, (0, 0.0))[1] - commands.get(timed, (0, 0.0))[1]
    # Our own reading is no part of what the worker asks of Redis, and what a script calls came over no connection.
    inner = {"xadd", "hmget", "xrevrange", "publish", "pexpire", "time"} if timed == "evalsha" else set()
    asked = sum(count for name, count in calls.items() if name not in {"xread", "info", "psubscribe"} | inner)
    return {
        "deltas/s": found / took,
        "carried %": 100 * found / took / (generations * RATE),
        "worker share": worked / took,
        "worker µs/delta": worked / max(found, 1) * 1e6,
        "p50 ms": latencies[len(latencies) // 2] / 1000 if latencies else 0.0,
        "p99 ms": latencies[int(len(latencies) * 0.99)] / 1000 if latencies else 0.0,
        "max ms": latencies[-1] / 1000 if latencies else 0.0,
        "commands/delta": asked / max(found, 1),
        "append µs": append_us / max(calls.get(counted, 0), 1),
        "redis µs/delta": (after["redis"] - before["redis"]) / max(found, 1) * 1e6,
        "lost": generations * deltas - seen.total,
        "simulator busy": (after["simulator"] - before["simulator"]) / took,
    }


async def _ended(seen: Followed, expected: int) -> None:
    """Wait until all have come, or none comes any more."""
    last, idle = -1, 0
    while seen.total < expected and idle < 10:
        idle = idle + 1 if seen.total == last else 0
        last = seen.total
        await asyncio.sleep(0.5)


async def _commands(redis: Redis) -> dict[str, tuple[int, float]]:
    """Calls and µs of each command since the start, those that scripts call among them."""
    raw: dict[str, dict[str, float]] = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): (int(stats["calls"]), float(stats["usec"])) for name, stats in raw.items()}


async def main() -> None:
    arguments = parser(__doc__, subjects=list(WORKERS))
    arguments.add_argument("--generations", type=int, nargs="+", default=[100, 200, 400, 600])
    arguments.add_argument("--seconds", type=float, default=8.0, help="length of the window (default 8)")
    options = arguments.parse_args()
    report = Report("capacity", {"rate": RATE, "rounds": options.rounds, "seconds": options.seconds})
    for generations in options.generations:
        title = f"{generations} generations at {RATE}/s"

        async def one(name: str, generations: int = generations, title: str = title) -> None:
            report.add(name, title, await measure(WORKERS[name], generations, options.seconds))

        await alternate(report, options.only or list(WORKERS), options.rounds, one, title)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
