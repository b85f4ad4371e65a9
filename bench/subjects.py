"""Those that answer: each asks the simulator, and streams what it says to whoever asked."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import LOAD_CORE, SERVER_CORE, on_core
from bench.load import post
from midstream.up import free_port
from tests.processes import ROOT, Process, Stack

PROMPT = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True)
class Subject:
    """A running server: whom to ask, and whose CPU counts."""

    port: int
    processes: Mapping[str, int]
    """Its processes by name, with their children."""
    request: Callable[[str], bytes]
    """Asks for an answer by a script of the simulator, as a stream."""
    redis_socket: Path | None = None


Start = Callable[[str, Path], AbstractAsyncContextManager[Subject]]
"""Starts one, given the simulator's root and a folder of its own."""


@asynccontextmanager
async def started(process: Process, core: int) -> AsyncIterator[Process]:
    """The process, on this core, while inside; what it said is shown where that fails."""
    with on_core(core):
        await process.start()
    try:
        yield process
    except BaseException:
        process.show()
        raise
    finally:
        await process.stop()


@asynccontextmanager
async def simulator(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """The provider, beside the load; its root URL and process id."""
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    async with started(Process("simulator", command, r"listening on \S+", folder, {}), LOAD_CORE) as process:
        yield (await process.said(r"listening on (\S+)"))[1], process.popen.pid


def midstream(*, workers: int = 1, environment: Mapping[str, str] | None = None) -> Start:
    """One API, the workers and the embedded Valkey, with default settings but room for every generation."""

    @asynccontextmanager
    async def start(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
        settings = {"MIDSTREAM_LEASE": "5", "MIDSTREAM_CONCURRENCY": "4000", "MIDSTREAM_SIMULATOR_URL": simulator_url}
        stack = Stack(folder, simulator=False, workers=workers, environment=settings | dict(environment or {}))
        with on_core(SERVER_CORE):
            await stack.__aenter__()
        try:
            pids = {process.name.removesuffix("-1"): process.popen.pid for process in stack.processes}
            pids["redis"] = stack.valkey.pid
            yield Subject(
                stack.apis[0].port,
                pids,
                lambda script: post("/v1/generations", {"model": f"simulator/{script}", "messages": PROMPT}),
                stack.valkey.socket,
            )
        except BaseException:
            stack.show()
            raise
        finally:
            await stack.__aexit__(None)

    return start


def uvicorn_app(name: str, app: str, python: str = sys.executable) -> Start:
    """An ASGI application that takes `POST /chat {"model": …}`."""

    @asynccontextmanager
    async def start(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
        port = free_port("127.0.0.1", 0)
        command = [python, "-m", "uvicorn", app, "--port", str(port), "--app-dir", str(ROOT)]
        command += ["--loop", "uvloop", "--http", "httptools", "--backlog", "4096"]
        process = Process(name, command, r"Uvicorn running on", folder, {"BENCH_SIMULATOR_URL": simulator_url})
        async with started(process, SERVER_CORE):
            yield Subject(port, {"server": process.popen.pid}, lambda script: post("/chat", {"model": script}))

    return start


SUBJECTS: dict[str, Start] = {
    "Midstream": midstream(),
    "plain proxy": uvicorn_app("plain-proxy", "bench.peers.plain_proxy:app"),
}
