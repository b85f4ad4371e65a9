"""A POST: what accepting a generation costs the API, beside FastAPI with arq, which checks and enqueues and no more.

    python -m bench.posts [--rounds 3] [--only NAME] [--json FILE]

The body is a short question, the answer 202; 8 connections ask one after the other. The server has a core of its own,
Redis and the load the other. FastAPI with arq (`bench/peers/arq_api.py`) writes a job and no record: it has no owner,
no limits, no lines, no index and no idempotency.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import cpu
from bench.arguments import parser
from bench.cpu import LOAD_CORE, SERVER_CORE, on_core
from bench.fans import midstream
from bench.results import Figures, Report
from bench.rounds import alternate
from bench.stack import Connection
from bench.subjects import PROMPT, started
from midstream.processes.valkey import Valkey
from tests.harness.ports import free_port
from tests.harness.processes import Process
from tests.harness.repository import ROOT

CONNECTIONS, WARM, POSTS = 8, 200, 4_000
BODY = json.dumps({"model": "simulator/clock", "messages": PROMPT}).encode()


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[tuple[int, int, str]]:
    async with midstream({"MIDSTREAM_MAX_PENDING": "100000"})(1, folder) as fan:
        yield fan.port, fan.processes["server"], "/v1/generations"


@asynccontextmanager
async def arq(folder: Path) -> AsyncIterator[tuple[int, int, str]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.peers.arq_api:app", "--port", str(port), "--app-dir", str(ROOT)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    with on_core(LOAD_CORE):
        valkey = Valkey(folder / "data")
        await valkey.start()
    try:
        process = Process("arq", command, r"Uvicorn running on", folder, {"BENCH_REDIS_URL": valkey.url})
        async with started(process, SERVER_CORE):
            yield port, process.popen.pid, "/ask"
    finally:
        await valkey.stop()


SUBJECTS: dict[str, Callable[[Path], AbstractAsyncContextManager[tuple[int, int, str]]]] = {
    "Midstream": ours,
    "FastAPI with arq": arq,
}
"""Each gives its port, its process and the path of its POST."""


async def measure(name: str) -> Figures:
    """One run. Raises RuntimeError where a POST is not answered 202."""
    with TemporaryDirectory(prefix="midstream-bench-") as folder:
        async with SUBJECTS[name](Path(folder)) as (port, pid, path):
            await _post(port, path, WARM)
            before, began = cpu.used(pid), time.perf_counter()
            await _post(port, path, POSTS)
            used, took = cpu.used(pid) - before, time.perf_counter() - began
    return {"CPU µs/POST": used / POSTS * 1e6, "POSTs/s": POSTS / took}


async def _post(port: int, path: str, count: int) -> None:
    async def ask() -> None:
        connection = Connection(port)
        for _ in range(count // CONNECTIONS):
            await connection.ready()
            status, answer = await connection.post(path, BODY)
            if status != 202:
                raise RuntimeError(f"a POST was answered {status}: {answer[:300]!r}")
        await connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(ask())


async def main() -> None:
    options = parser(__doc__, subjects=list(SUBJECTS)).parse_args()
    report = Report("posts", {"rounds": options.rounds, "posts": POSTS})

    async def one(name: str) -> None:
        report.add(name, "a short question", await measure(name))

    await alternate(report, options.only or list(SUBJECTS), options.rounds, one, "posts")
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
